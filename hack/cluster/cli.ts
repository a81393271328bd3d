/**
 * The local cluster by hand: `npm run cluster:up -- --nodes 2 --name dev`, `cluster:down`, `cluster:kubeconfig`.
 * Needs what hack/preflight.ts names. `up` leaves a cluster below /var/lib/runtime-insights, `down` leaves nothing.
 */
import { parseArgs } from "node:util";
import { preflight } from "../preflight.ts";
import { down, loadCluster, up } from "./cluster.ts";

const usage = `usage: npm run cluster:up -- [--nodes N] [--name NAME] [--no-openshift]   1 to 9 nodes; defaults: 2 nodes, name demo
       npm run cluster:down -- [--name NAME]
       npm run cluster:kubeconfig -- [--name NAME]   prints the path of its kube config`;

const named = { name: { type: "string", default: "demo" }, help: { type: "boolean", default: false } } as const;
const upOptions = {
  ...named,
  nodes: { type: "string", default: "2" },
  openshift: { type: "boolean", default: true },
} as const;

async function main([command = "", ...args]: readonly string[]): Promise<void> {
  switch (command) {
    case "up": {
      const { name, nodes, openshift, help } = read(() => parseArgs({ args, options: upOptions, allowNegative: true }));
      if (help) return console.log(usage);
      if (!/^[1-9]$/.test(nodes)) throw new Error(`--nodes ${nodes}: give a number from 1 to 9\n${usage}`);
      await preflight({ need: "cluster", install: false, rust: false });
      const cluster = await up({ name, nodes: Number(nodes), openshift });
      return console.log(`export KUBECONFIG=${cluster.kubeconfig}\nalias kubectl=${cluster.kubectl}`);
    }
    case "down": {
      const { name, help } = read(() => parseArgs({ args, options: named }));
      if (help) return console.log(usage);
      if (process.getuid?.() !== 0) throw new Error("only root can end a cluster: run the command again with sudo");
      return down(name);
    }
    case "kubeconfig": {
      const { name, help } = read(() => parseArgs({ args, options: named }));
      return console.log(help ? usage : (await loadCluster(name)).kubeconfig);
    }
    default:
      if (command !== "--help") throw new Error(usage);
      return console.log(usage);
  }
}

/** The options; what was mistyped is named above the usage. */
function read<T>(parse: () => { readonly values: T }): T {
  try {
    return parse().values;
  } catch (cause) {
    throw new Error(`${cause instanceof Error ? cause.message : String(cause)}\n${usage}`, { cause });
  }
}

await main(process.argv.slice(2)).catch((cause: Error) => {
  console.error(cause.message);
  process.exitCode = 1;
});
