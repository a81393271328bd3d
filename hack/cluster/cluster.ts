/** A real Kubernetes cluster on this machine, without Docker or a VM: made, found again and taken away. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { cloneDir } from "../cache.ts";
import { type Access, kubectl, waitFor } from "../kubectl.ts";
import { applyOpenshift, openshiftApiDir } from "../openshift/objects.ts";
import { maxNodes, nodeAddresses } from "./addresses.ts";
import { allBinaries, ensureBinaries, type Log, withLock } from "./binaries.ts";
import { type ApiServerPlace, controlPlaneScript, kubeconfig, writeSecrets } from "./control-plane.ts";
import { dnsImage, dnsObjects } from "./dns.ts";
import { findMachines, inMachine, isAlive, type ProcessId, startMachine, stopMachine } from "./machine.ts";
import { containerdSocket, pauseImage, prepareNode } from "./node.ts";
import { writeProgramImage } from "./program-image.ts";
import { addressesOf, type ClusterState, clusterDir, freeIndex, readState, stateLock, writeState } from "./state.ts";

const run = promisify(execFile);

export interface Cluster extends Access {
  readonly name: string;
  readonly dir: string;
  readonly binDir: string;
  readonly nodes: readonly { readonly name: string; readonly address: string; readonly init: ProcessId }[];
  /** Brings an OCI or docker archive into every node, unless the same bytes are there already. */
  importImage(archive: string): Promise<void>;
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
  if (!/^[a-z][a-z0-9-]{0,19}$/.test(name))
    throw new Error(`cluster name "${name}": use up to 20 lower-case letters, digits and -`);
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > maxNodes)
    throw new Error(`a cluster has 1 to ${maxNodes} nodes, not ${nodes}`);
  const binDir = await ensureBinaries(allBinaries, log);
  const existing = readState(name);
  if (existing !== undefined && isWhole(existing)) {
    if (existing.nodes !== nodes)
      throw new Error(`cluster "${name}" is up with ${existing.nodes} nodes, not ${nodes}: take it down first`);
    log(`Cluster "${name}" is up already`);
    return clusterOf(existing, binDir);
  }
  if (existing !== undefined || existsSync(clusterDir(name))) {
    log(`Cluster "${name}" is half made or its processes are gone: sweeping it`);
    await down(name, log);
  }
  const state = await withLock(stateLock(), log, async () => {
    const fresh: ClusterState = { name, index: freeIndex(), nodes, openshift, ready: false, nodeInits: [] };
    writeState(fresh);
    return fresh;
  });
  return create(state, binDir, log);
}

/** The cluster of that name; throws when it is not up. */
export async function loadCluster(name: string): Promise<Cluster> {
  const state = readState(name);
  if (state === undefined || !isWhole(state))
    throw new Error(`cluster "${name}" is not up: npm run cluster:up -- --name ${name}`);
  return clusterOf(state, await ensureBinaries(allBinaries, say));
}

/** Removes everything a cluster of that name left on this machine; does nothing when there is nothing. */
export async function down(name: string, log: Log = say): Promise<void> {
  const dir = clusterDir(name);
  const state = readState(name);
  for (const init of findMachines(dir)) await stopMachine(init);
  if (state !== undefined) {
    await run("ip", ["link", "delete", addressesOf(state).hostInterface]).catch(() => undefined);
    for (let number = 1; number <= state.nodes; number += 1) await removeCgroups(cgroupOf(name, number));
  }
  if (!existsSync(dir)) {
    log(`There is no cluster "${name}"`);
    return;
  }
  rmSync(dir, { recursive: true, force: true });
  log(`Cluster "${name}" is gone`);
}

async function create(state: ClusterState, binDir: string, log: Log): Promise<Cluster> {
  const { name, index } = state;
  const dir = clusterDir(name);
  const net = addressesOf(state);
  const timed = stopwatch(log);

  const controlPlane = join(dir, "control-plane");
  const place: ApiServerPlace = {
    dir: controlPlane,
    binDir,
    secrets: writeSecrets(controlPlane),
    address: net.apiServer,
    port: 6443,
    etcdPort: 2379,
    etcdPeerPort: 2380,
    services: net.services,
    publishEndpoint: true,
  };
  const configFile = join(controlPlane, "kubeconfig");
  const configOperator = state.openshift
    ? [process.execPath, join(cloneDir, "hack/openshift/config-operator.ts"), configFile, await openshiftApiDir()]
    : undefined;
  const script = join(controlPlane, "init.sh");
  writeFileSync(script, controlPlaneScript(place, net, configOperator));
  const init = await startMachine(script, join(controlPlane, "init.log"));
  writeState({ ...state, controlPlane: init });
  await connectHost(state, init);

  const nodes = Array.from({ length: state.nodes }, (_, at) => nodeAddresses(index, at + 1));
  const nodeInits: ProcessId[] = [];
  for (const [at, node] of nodes.entries()) {
    const place = {
      dir: join(dir, node.name),
      binDir,
      kubeconfig: configFile,
      cgroup: cgroupOf(name, at + 1),
      node,
      nodes,
      net,
    };
    nodeInits.push(await startMachine(prepareNode(place), join(dir, node.name, "init.log")));
    writeState({ ...state, controlPlane: init, nodeInits });
    await connectNode(
      init,
      nodeInits[at] as ProcessId,
      `node${at + 1}`,
      `${node.pods}`,
      node.address,
      net.hostInterface,
    );
  }

  const authority = await waitFor(`the API server (log: ${join(controlPlane, "kube-apiserver.log")})`, async () =>
    readFileSync(join(controlPlane, "certs", "apiserver.crt")),
  );
  const temporary = join(controlPlane, "kubeconfig.new");
  writeFileSync(temporary, kubeconfig(`https://${net.apiServer}:6443`, place.secrets.token, authority), {
    mode: 0o600,
  });
  await waitFor("the API server to be ready", async () => {
    await kubectl({ kubectl: join(binDir, "kubectl"), kubeconfig: temporary }, ["get", "--raw=/readyz"]);
    return true;
  });
  await run("mv", [temporary, configFile]);
  timed("control plane is ready");

  const cluster = clusterOf({ ...state, controlPlane: init, nodeInits }, binDir);
  for (const [ref, program] of [
    [pauseImage, "pause"],
    [dnsImage, "coredns"],
  ] as const) {
    const archive = join(dir, `${program}.tar`);
    await writeProgramImage(ref, join(binDir, program), archive);
    await cluster.importImage(archive);
  }
  const [openshiftDone] = await Promise.allSettled([
    state.openshift ? applyOpenshift(cluster) : undefined,
    kubectl(cluster, ["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items: dnsObjects(net) })),
  ]);
  if (openshiftDone.status === "rejected") throw openshiftDone.reason;
  await waitFor(`${state.nodes} nodes to be ready (logs below ${dir})`, async () => {
    const path = '{range .items[*]}{.status.conditions[?(@.type=="Ready")].status} {end}';
    const ready = (await kubectl(cluster, ["get", "nodes", "-o", `jsonpath=${path}`])).match(/True/g) ?? [];
    return ready.length === state.nodes ? true : undefined;
  });
  timed("nodes are ready");
  await kubectl(cluster, ["-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=120s"]);
  timed("DNS answers");
  writeState({ ...state, controlPlane: init, nodeInits, ready: true });
  return cluster;
}

function clusterOf(state: ClusterState, binDir: string): Cluster {
  const dir = clusterDir(state.name);
  const nodes = state.nodeInits.map((init, at) => {
    const { name, address } = nodeAddresses(state.index, at + 1);
    return { name, address, init };
  });
  return {
    name: state.name,
    dir,
    binDir,
    kubectl: join(binDir, "kubectl"),
    kubeconfig: join(dir, "control-plane", "kubeconfig"),
    nodes,
    importImage: async (archive) => {
      const digest = await sha256(archive);
      await Promise.all(nodes.map(({ name, init }) => importInto(join(dir, name), init, archive, digest)));
    },
  };
}

async function importInto(nodeDir: string, init: ProcessId, archive: string, digest: string): Promise<void> {
  const marks = join(nodeDir, "imported");
  mkdirSync(marks, { recursive: true });
  if (existsSync(join(marks, digest))) return;
  await waitFor("containerd", async () => {
    await inMachine(init, ["ctr", "-a", containerdSocket, "version"]);
    return true;
  });
  await inMachine(init, ["ctr", "-a", containerdSocket, "-n", "k8s.io", "images", "import", archive]);
  writeFileSync(join(marks, digest), "");
}

async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

function isWhole(state: ClusterState): boolean {
  const inits = [...state.nodeInits, ...(state.controlPlane === undefined ? [] : [state.controlPlane])];
  return state.ready && inits.length === state.nodes + 1 && inits.every(isAlive);
}

const cgroupOf = (name: string, number: number): string => `runtime-insights-${name}-${number}`;

/** One veth from this machine to the bridge; it goes when the control plane's namespace goes. */
async function connectHost(state: ClusterState, init: ProcessId): Promise<void> {
  const net = addressesOf(state);
  await waitFor("the cluster's bridge", async () => {
    await inMachine(init, ["ip", "link", "show", "br0"]);
    return true;
  });
  await run("ip", [
    "link",
    "add",
    net.hostInterface,
    "type",
    "veth",
    "peer",
    "name",
    "host",
    "netns",
    String(init.pid),
  ]);
  await run("ip", ["addr", "add", `${net.host}/24`, "dev", net.hostInterface]);
  await run("ip", ["link", "set", net.hostInterface, "up"]);
  await inMachine(init, ["ip", "link", "set", "host", "master", "br0", "up"]);
}

/** The node's only interface joins the bridge; this machine and the control plane learn the way to its pods. */
async function connectNode(
  controlPlane: ProcessId,
  node: ProcessId,
  port: string,
  pods: string,
  address: string,
  hostInterface: string,
): Promise<void> {
  const inBridge = ["-t", String(controlPlane.pid), "-n", "ip"];
  const peer = ["type", "veth", "peer", "name", "eth0", "netns", String(node.pid)];
  await run("nsenter", [...inBridge, "link", "add", port, ...peer]);
  await run("nsenter", [...inBridge, "link", "set", port, "master", "br0", "up"]);
  await run("nsenter", [...inBridge, "route", "add", pods, "via", address]);
  await run("ip", ["route", "add", pods, "via", address, "dev", hostInterface]);
}

/** Folders of a dead node in every hierarchy, deepest first; a folder may need a moment after its last process died. */
async function removeCgroups(cgroup: string): Promise<void> {
  const roots = existsSync("/sys/fs/cgroup/cgroup.controllers")
    ? ["/sys/fs/cgroup"]
    : readdirSync("/sys/fs/cgroup").map((hierarchy) => join("/sys/fs/cgroup", hierarchy));
  for (const root of roots) {
    const top = join(root, cgroup);
    if (!existsSync(top)) continue;
    await waitFor(`cgroup ${top} to be empty`, async () => {
      removeTree(top);
      return true;
    });
  }
}

function removeTree(dir: string): void {
  for (const entry of readdirSync(dir, { withFileTypes: true }))
    if (entry.isDirectory()) removeTree(join(dir, entry.name));
  rmdirSync(dir);
}

const say: Log = (line) => console.error(`  ${line}`);

function stopwatch(log: Log): (what: string) => void {
  let lastMs = Date.now();
  return (what) => {
    log(`${what} (${((Date.now() - lastMs) / 1000).toFixed(1)} s)`);
    lastMs = Date.now();
  };
}
