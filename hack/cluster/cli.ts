/**
 * The local cluster by hand: `npm run cluster:up -- --nodes 2 --name dev`, `cluster:down`, `cluster:kubeconfig`.
 * Needs what hack/preflight.ts names. `up` leaves a cluster below /var/lib/runtime-insights, `down` leaves nothing.
 */
import { parseArgs } from "node:util";
import type { Access } from "../kubectl.ts";
import { preflight } from "../preflight.ts";
import { down, loadCluster, say, up } from "./cluster.ts";
import { isK3s } from "./state.ts";

const usage = `usage: npm run cluster:up -- [--nodes N] [--name NAME] [--no-openshift]   1 to 9 nodes; defaults: 2 nodes, name demo
       npm run cluster:up -- --provider k3s [--name NAME] [--no-openshift]   one node, in a Docker engine that can run privileged containers
       npm run cluster:down -- [--name NAME]
       npm run cluster:kubeconfig -- [--name NAME]   prints the path of its kube config`;

const named = { name: { type: "string", default: "demo" }, help: { type: "boolean", default: false } } as const;
const upOptions = {
  ...named,
  nodes: { type: "string" },
  provider: { type: "string", default: "machines" },
  openshift: { type: "boolean", default: true },
} as const;

async function main([command = "", ...args]: readonly string[]): Promise<void> {
  switch (command) {
    case "up": {
      const values = read(() => parseArgs({ args, options: upOptions, allowNegative: true }));
      if (values.help) return console.log(usage);
      const cluster = await (values.provider === "k3s" ? startK3s(values) : startMachines(values));
      return console.log(`export KUBECONFIG=${cluster.kubeconfig}\nalias kubectl=${cluster.kubectl}`);
    }
    case "down": {
      const { name, help } = read(() => parseArgs({ args, options: named }));
      if (help) return console.log(usage);
      if (isK3s(name)) return (await import("./k3s.ts")).downK3s(name, say);
      if (process.getuid?.() !== 0) throw new Error("only root can end a cluster: run the command again with sudo");
      return down(name);
    }
    case "kubeconfig": {
      const { name, help } = read(() => parseArgs({ args, options: named }));
      if (help) return console.log(usage);
      const cluster = isK3s(name) ? await (await import("./k3s.ts")).loadK3s(name) : await loadCluster(name);
      return console.log(cluster.kubeconfig);
    }
    default:
      if (command !== "--help") throw new Error(usage);
      return console.log(usage);
  }
}

interface UpValues {
  readonly name: string;
  readonly nodes?: string | undefined;
  readonly provider: string;
  readonly openshift: boolean;
}

async function startMachines({ name, nodes = "2", provider, openshift }: UpValues): Promise<Access> {
  if (provider !== "machines") throw new Error(`--provider ${provider}: give k3s, or leave it out\n${usage}`);
  if (!/^[1-9]$/.test(nodes)) throw new Error(`--nodes ${nodes}: give a number from 1 to 9\n${usage}`);
  await preflight({ need: "cluster", install: false, rust: false });
  return up({ name, nodes: Number(nodes), openshift });
}

/** Loaded only when it is asked for: testcontainers is much to load for a cluster that is made without it. */
async function startK3s({ name, nodes = "1", openshift }: UpValues): Promise<Access> {
  if (nodes !== "1") throw new Error(`--nodes ${nodes}: a cluster of K3s has one node\n${usage}`);
  await preflight({ need: "api", install: false, rust: false });
  return (await import("./k3s.ts")).upK3s({ name, openshift, log: say });
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
