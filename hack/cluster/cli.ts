/**
 * The local cluster by hand: `npm run cluster:up -- --nodes 2 --name dev`, `cluster:down`, `cluster:kubeconfig`.
 * Needs what hack/preflight.ts names. `up` leaves a cluster below /var/lib/runtime-insights, `down` leaves nothing.
 */
import { parseArgs } from "node:util";
import { preflight } from "../preflight.ts";
import { down, loadCluster, up } from "./cluster.ts";

const usage = `usage: npm run cluster:up -- [--nodes N] [--name NAME] [--no-openshift]   defaults: 2 nodes, name demo
       npm run cluster:down -- [--name NAME]
       npm run cluster:kubeconfig -- [--name NAME]   prints the path of its kube config`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    allowNegative: true,
    options: {
      nodes: { type: "string", default: "2" },
      name: { type: "string", default: "demo" },
      openshift: { type: "boolean", default: true },
      help: { type: "boolean", default: false },
    },
  });
  const { name, openshift } = values;
  const [command] = positionals;
  if (values.help) {
    console.log(usage);
  } else if (command === "up" && positionals.length === 1) {
    await preflight({ need: "cluster", install: false });
    const cluster = await up({ name, nodes: Number(values.nodes), openshift });
    console.log(`export KUBECONFIG=${cluster.kubeconfig}\nalias kubectl=${cluster.kubectl}`);
  } else if (command === "down" && positionals.length === 1) {
    await down(name);
  } else if (command === "kubeconfig" && positionals.length === 1) {
    console.log((await loadCluster(name)).kubeconfig);
  } else {
    throw new Error(usage);
  }
}

await main().catch((cause: Error) => {
  console.error(cause.message);
  process.exitCode = 1;
});
