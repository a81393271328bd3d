/** A real Kubernetes cluster on this machine, without Docker or a VM: made, found again and taken away. */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Access, kubectl, waitFor } from "../kubectl.ts";
import { type Log, withLock } from "../lock.ts";
import { applyOpenshift } from "../openshift/objects.ts";
import { standInCommand } from "../openshift/stand-in.ts";
import { type Addresses, addresses, maxNodes, nodeAddresses } from "./addresses.ts";
import { importArchive } from "./archives.ts";
import { clusterBinaries, ensureBinaries } from "./binaries.ts";
import { cgroupOf } from "./cgroups.ts";
import { type ApiServerPlace, controlPlaneScript, kubeconfig, readAuthority, writeSecrets } from "./control-plane.ts";
import { dnsImage, dnsObjects } from "./dns.ts";
import { inMachine, isAlive, type ProcessId, startMachine } from "./machine.ts";
import { connectHost, connectNode, connectServices } from "./network.ts";
import { pauseImage, prepareNode } from "./node.ts";
import { writeProgramImage } from "./program-image.ts";
import {
  type ClusterState,
  clusterDir,
  clusterLock,
  freeIndex,
  isConnected,
  isK3s,
  readState,
  sharedLock,
  writeState,
} from "./state.ts";
import { sweep } from "./sweep.ts";

export interface Cluster extends Access {
  readonly name: string;
  readonly dir: string;
  readonly binDir: string;
  readonly nodes: readonly { readonly name: string; readonly address: string; readonly init: ProcessId }[];
  /** Brings an OCI or docker archive into every node, or those that are named, unless its very images are there already. */
  importImage(archive: string, onlyNodes?: readonly string[]): Promise<void>;
}

export interface UpOptions {
  readonly name: string;
  /** 1 to 9. */
  readonly nodes: number;
  /** OpenShift's CRDs, its FeatureGate and ClusterVersion; default true. */
  readonly openshift?: boolean;
  readonly log?: Log;
}

/** Makes the cluster, or finds the one that is there and whole; one that is half made or dead is swept and made anew. */
export async function up({ name, nodes, openshift = true, log = say }: UpOptions): Promise<Cluster> {
  const dir = clusterDir(name);
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > maxNodes)
    throw new Error(`a cluster has 1 to ${maxNodes} nodes, not ${nodes}`);
  refuseK3s(name);
  return withLock(clusterLock(name), log, async () => {
    const existing = readState(name);
    if (existing !== undefined && isWhole(existing)) {
      if (existing.nodes !== nodes || existing.openshift !== openshift)
        throw new Error(
          `cluster "${name}" is up with ${describe(existing)}, not ${describe({ nodes, openshift })}: take it down first (npm run cluster:down -- --name ${name})`,
        );
      log(`Cluster "${name}" is up already`);
      return clusterOf(existing);
    }
    if (existsSync(dir)) {
      log(`Cluster "${name}" is half made or its processes are gone: sweeping it`);
      await sweep(name);
    }
    const binDir = await ensureBinaries(clusterBinaries, log);
    const state = await withLock(sharedLock(), log, async () => {
      const fresh = { name, index: freeIndex(), nodes, openshift, binDir, ready: false, nodeInits: [] };
      writeState(fresh);
      return fresh;
    });
    return create(state, log);
  });
}

/** The cluster of that name; throws when it is not up. */
export async function loadCluster(name: string): Promise<Cluster> {
  const state = readState(name);
  if (state === undefined || !isWhole(state))
    throw new Error(`cluster "${name}" is not up: npm run cluster:up -- --name ${name}`);
  return clusterOf(state);
}

/** Removes everything a cluster of that name left on this machine, whole or not; does nothing when there is nothing. */
export async function down(name: string, log: Log = say): Promise<void> {
  refuseK3s(name);
  await withLock(clusterLock(name), log, async () => {
    const removed = await sweep(name);
    log(
      removed.length === 0
        ? `There is no cluster "${name}"`
        : `Cluster "${name}" is gone: removed ${removed.join(", ")}`,
    );
  });
}

/** Its container would outlive its folder. */
function refuseK3s(name: string): void {
  if (isK3s(name))
    throw new Error(`cluster "${name}" is one of K3s: take it down first (npm run cluster:down -- --name ${name})`);
}

/** A machine and the folder with its logs. */
interface Machine {
  readonly dir: string;
  readonly init: ProcessId;
}

async function create(bare: ClusterState, log: Log): Promise<Cluster> {
  const timed = stopwatch(log);
  const { machines, net } = await startMachines(bare);
  const state: ClusterState = { ...bare, ...machines };
  const cluster = clusterOf(state);
  const dirs = ["control-plane", ...cluster.nodes.map((node) => node.name)].map((name) => join(cluster.dir, name));
  const inits = [machines.controlPlane, ...machines.nodeInits];
  const all: Machine[] = inits.map((init, at) => ({ init, dir: dirs[at] ?? cluster.dir }));

  await writeKubeconfig(cluster, net, all);
  timed("Control plane is ready");
  const dns = JSON.stringify({ apiVersion: "v1", kind: "List", items: dnsObjects(net) });
  await Promise.all([
    importOwnImages(cluster),
    state.openshift ? applyOpenshift(cluster) : undefined,
    kubectl(cluster, ["apply", "-f", "-"], dns),
  ]);
  timed(`Images of the cluster's own pods${state.openshift ? ", and OpenShift's kinds," : ""} are there`);
  await waitWhileAlive(`${state.nodes} nodes to be ready (logs below ${cluster.dir})`, all, async () => {
    const path = '{range .items[*]}{.status.conditions[?(@.type=="Ready")].status} {end}';
    const ready = (await kubectl(cluster, ["get", "nodes", "-o", `jsonpath=${path}`])).match(/True/g) ?? [];
    return ready.length === state.nodes ? true : undefined;
  });
  timed(state.nodes === 1 ? "The node is ready" : `${state.nodes} nodes are ready`);
  await kubectl(cluster, ["-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=120s"]);
  timed("DNS answers");
  writeState({ ...state, ready: true });
  return cluster;
}

/** Starts the control plane and the nodes on their network; each is written down as soon as it is there. */
async function startMachines(state: ClusterState) {
  const { name, index, binDir } = state;
  const dir = clusterDir(name);
  const net = addresses(index);
  const place = controlPlanePlace(state, net);
  const configFile = join(place.dir, "kubeconfig");
  const configOperator = state.openshift ? await standInCommand(place.dir, configFile) : undefined;
  const script = join(place.dir, "init.sh");
  writeFileSync(script, controlPlaneScript(place, net, configOperator));
  const controlPlane = await startMachine(script, join(place.dir, "init.log"));
  writeState({ ...state, controlPlane });
  await waitWhileAlive("the cluster's bridge", [{ init: controlPlane, dir: place.dir }], () =>
    inMachine(controlPlane, ["ip", "link", "show", "br0"]),
  );
  await connectHost(net, controlPlane);

  const nodes = Array.from({ length: state.nodes }, (_, at) => nodeAddresses(index, at + 1));
  const nodeInits: ProcessId[] = [];
  for (const [at, node] of nodes.entries()) {
    const nodeDir = join(dir, node.name);
    const cgroup = cgroupOf(name, at + 1);
    const nodeScript = prepareNode({ dir: nodeDir, binDir, kubeconfig: configFile, cgroup, node, nodes, net });
    const init = await startMachine(nodeScript, join(nodeDir, "init.log"));
    nodeInits.push(init);
    writeState({ ...state, controlPlane, nodeInits });
    await connectNode(net, node, { controlPlane, init });
    if (at === 0) await connectServices(net, node, controlPlane);
  }
  return { machines: { controlPlane, nodeInits }, net };
}

function controlPlanePlace({ name, binDir }: ClusterState, net: Addresses): ApiServerPlace {
  const dir = join(clusterDir(name), "control-plane");
  return {
    dir,
    binDir,
    secrets: writeSecrets(dir),
    address: net.apiServer,
    port: 6443,
    etcdPort: 2379,
    etcdPeerPort: 2380,
    services: net.services,
    publishEndpoint: true,
  };
}

/** Everything that waits for the kube config starts when it appears, and finds an API server that is ready. */
async function writeKubeconfig(cluster: Cluster, net: Addresses, machines: readonly Machine[]): Promise<void> {
  const controlPlane = join(cluster.dir, "control-plane");
  const authority = await waitWhileAlive("the API server's certificate", machines, async () =>
    readAuthority(controlPlane),
  );
  const token = readFileSync(join(controlPlane, "tokens.csv"), "utf8").split(",")[0] ?? "";
  const early = `${cluster.kubeconfig}.new`;
  writeFileSync(early, kubeconfig(`https://${net.apiServer}:6443`, token, authority), { mode: 0o600 });
  await waitWhileAlive(`the API server to be ready (logs: ${controlPlane})`, machines, () =>
    kubectl({ kubectl: cluster.kubectl, kubeconfig: early }, ["get", "--raw=/readyz"]),
  );
  renameSync(early, cluster.kubeconfig);
}

async function importOwnImages(cluster: Cluster): Promise<void> {
  for (const [image, program] of [
    [pauseImage, "pause"],
    [dnsImage, "coredns"],
  ] as const) {
    const archive = join(cluster.dir, `${program}.tar`);
    await writeProgramImage(image, join(cluster.binDir, program), archive);
    await cluster.importImage(archive);
  }
}

/** As `waitFor`, but fails at once when a machine ends meanwhile, with the machine's own words on why. */
async function waitWhileAlive<T>(
  what: string,
  machines: readonly Machine[],
  ask: () => Promise<T | undefined>,
): Promise<T> {
  const answer = await waitFor(what, async () => {
    const dead = machines.find(({ init }) => !isAlive(init));
    if (dead !== undefined) return { dead };
    const value = await ask();
    return value === undefined ? undefined : { value };
  });
  if ("value" in answer) return answer.value;
  const words = readFileSync(join(answer.dead.dir, "init.log"), "utf8").trim().split("\n").at(-1) ?? "";
  throw new Error(
    `waiting for ${what}: a machine has ended (${words || "killed"}); its logs are in ${answer.dead.dir}`,
  );
}

function clusterOf(state: ClusterState): Cluster {
  const dir = clusterDir(state.name);
  const nodes = state.nodeInits.map((init, at) => {
    const { name, address } = nodeAddresses(state.index, at + 1);
    return { name, address, init };
  });
  const storesOf = (names?: readonly string[]) =>
    nodes
      .filter(({ name }) => names === undefined || names.includes(name))
      .map(({ name, init }) => ({ init, dir: join(dir, name) }));
  return {
    name: state.name,
    dir,
    binDir: state.binDir,
    kubectl: join(state.binDir, "kubectl"),
    kubeconfig: join(dir, "control-plane", "kubeconfig"),
    nodes,
    importImage: (archive, onlyNodes) => importArchive(storesOf(onlyNodes), archive),
  };
}

function isWhole(state: ClusterState): boolean {
  const inits = [...state.nodeInits, ...(state.controlPlane === undefined ? [] : [state.controlPlane])];
  return state.ready && inits.length === state.nodes + 1 && inits.every(isAlive) && isConnected(state.index);
}

const describe = ({ nodes, openshift }: { readonly nodes: number; readonly openshift: boolean }): string =>
  `${nodes} ${nodes === 1 ? "node" : "nodes"} and ${openshift ? "" : "no "}OpenShift kinds`;

export const say: Log = (line) => console.error(`  ${line}`);

function stopwatch(log: Log): (what: string) => void {
  let lastMs = Date.now();
  return (what) => {
    log(`${what} (${((Date.now() - lastMs) / 1000).toFixed(1)} s)`);
    lastMs = Date.now();
  };
}
