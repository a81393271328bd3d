/** A cluster of its own is made, broken and taken down; this machine must be as it was before. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Cluster, down, loadCluster, up } from "../../hack/cluster/cluster.ts";
import { clusterDir, clusterNames, readState } from "../../hack/cluster/state.ts";
import { kubectl, waitFor } from "../../hack/kubectl.ts";

/** Two test runs at once have clusters of different names. */
const name = `${process.env.RUNTIME_INSIGHTS_CLUSTER?.slice(0, 14) ?? "no"}-sweep`;
const dir = clusterDir(name);
const quiet = () => undefined;
const listed = (program: string, ...args: readonly string[]) =>
  execFileSync(program, args, { encoding: "utf8" }).split("\n").filter(Boolean).sort();

const processes = (): readonly number[] => readdirSync("/proc").map(Number).filter(Boolean);

/** Processes of the cluster: started from its folder, or in a pid namespace whose init was. */
function ofCluster(): readonly number[] {
  const read = <T>(get: () => T): T | undefined => {
    try {
      return get();
    } catch {
      return undefined;
    }
  };
  const started = processes().filter((pid) =>
    read(() => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`${dir}/`)),
  );
  const own = read(() => readlinkSync("/proc/self/ns/pid"));
  const namespaceOf = (pid: number) => read(() => readlinkSync(`/proc/${pid}/ns/pid`));
  const namespaces = new Set(started.map(namespaceOf).filter((one) => one !== own && one !== undefined));
  return processes().filter((pid) => started.includes(pid) || namespaces.has(namespaceOf(pid)));
}

/** Everything a cluster can leave behind, but for its network. */
function traces() {
  const hierarchies = readdirSync("/sys/fs/cgroup", { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const cgroups = hierarchies.flatMap((entry) => readdirSync(join("/sys/fs/cgroup", entry.name)));
  return {
    processes: ofCluster().length,
    mounts: readFileSync("/proc/self/mounts", "utf8")
      .split("\n")
      .filter((line) => line.includes(dir)),
    cgroups: cgroups.filter((cgroup) => cgroup.startsWith(`runtime-insights-${name}-`)),
    files: existsSync(dir),
  };
}
/** Where kubelet, containerd, CNI and controllers write when they are not told otherwise. */
const defaultFolders = [
  "/etc/cni",
  "/opt/containerd",
  "/run/containerd",
  "/usr/libexec/kubernetes",
  "/var/lib/containerd",
  "/var/lib/kubelet/pods",
  "/var/lib/kubelet/device-plugins",
  "/var/log/containers",
  "/var/log/pods",
];

/** What clusters have in common; without what leads to other clusters, which may come and go meanwhile. */
function shared() {
  const others = clusterNames().filter((other) => other !== name);
  const theirs = new Set(others.map((other) => `ri-${readState(other)?.index}`));
  const ours = (line: string) => !line.split(/[\s@]/).some((word) => theirs.has(word));
  return {
    links: listed("ip", "-o", "-br", "link")
      .filter(ours)
      .map((line) => line.split(/[\s@]/)[0]),
    routes: listed("ip", "route").filter(ours),
    rules: listed("iptables-save").filter((line) => !/^[#:]/.test(line)),
    namespaces: listed("ip", "netns"),
    folders: defaultFolders.filter((folder) => existsSync(folder)),
  };
}
const soon = { timeoutMs: 30_000, everyMs: 50 };
const nothing = { processes: 0, mounts: [], cgroups: [], files: false };

/** What ended with its machine may take a moment to be gone on a busy one. */
async function assertNoTraces(): Promise<void> {
  const look = async () => (ofCluster().length === 0 ? true : undefined);
  await waitFor("the processes to be gone", look, soon).catch(() => undefined);
  assert.equal(traces(), nothing);
}

const make = (): Promise<Cluster> => up({ name, nodes: 1, openshift: false, log: quiet });

/** Starts `up` as a user would and kills it, and nothing else, once its cluster has come so far. */
async function killedUp(reached: () => boolean): Promise<void> {
  const cli = join(import.meta.dirname, "../../hack/cluster/cli.ts");
  const args = [cli, "up", "--name", name, "--nodes", "1", "--no-openshift"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"], detached: true });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString("utf8");
  });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const look = async () => reached() || (child.exitCode !== null ? "ended" : undefined);
  try {
    const come = await waitFor("up to come so far", look, { everyMs: 20 });
    assert.is.not(come, "ended", said);
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
}

test.before(() => down(name, quiet));
test.after(() => down(name, quiet));

const moments: readonly [string, () => boolean][] = [
  ["before its first process", () => existsSync(join(dir, "cluster.json"))],
  ["while the control plane starts", () => existsSync(join(dir, "control-plane", "etcd"))],
  ["while the node starts", () => existsSync(join(dir, "node-1", "containerd.log"))],
];
for (const [moment, reached] of moments) {
  test(`down after an up that was killed ${moment} leaves nothing`, async () => {
    const before = shared();
    await killedUp(reached);
    assert.ok(existsSync(dir));
    await down(name, quiet);
    await assertNoTraces();
    assert.equal(shared(), before);
  });
}

test("up after an up that was killed half way makes the cluster anew, and down leaves nothing", async () => {
  const before = shared();
  await killedUp(() => existsSync(join(dir, "node-1", "containerd.log")));
  const cluster = await make();
  assert.is(await kubectl(cluster, ["get", "nodes", "-o", "name"]), "node/node-1\n");
  assert.ok(ofCluster().length > 10, "the cluster's processes are found by this test");
  await down(name, quiet);
  await assertNoTraces();
  assert.equal(shared(), before);
});

test("a cluster whose kubelet was killed is no longer up, and up makes it anew", async () => {
  const first = await make();
  const kubelet = ofCluster().find((pid) =>
    readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`--config=${dir}/node-1/kubelet.json`),
  );
  assert.ok(kubelet);
  process.kill(kubelet, "SIGKILL");
  const refused = () =>
    loadCluster(name).then(
      () => undefined,
      (cause: Error) => cause.message,
    );
  assert.match(await waitFor("the machine to end with it", refused, soon), /is not up/);
  const second = await make();
  assert.is.not(second.nodes[0]?.init.pid, first.nodes[0]?.init.pid);
});

test("up is refused with a number of nodes the cluster does not have", async () => {
  const message = await up({ name, nodes: 2, openshift: false, log: quiet }).then(
    () => "",
    (cause: Error) => cause.message,
  );
  assert.match(message, /up with 1 node .* not 2 nodes .* take it down first/);
});

test("taking down twice is no error, and says so", async () => {
  const said: string[] = [];
  await down(name, (line) => said.push(line));
  await down(name, (line) => said.push(line));
  assert.match(
    said[0] ?? "",
    /is gone: removed machines control-plane, node-1, interface ri-\d+ and its routes, cgroups/,
  );
  assert.is(said[1], `There is no cluster "${name}"`);
  await assertNoTraces();
});

test("a name that is a path is refused", async () => {
  for (const path of ["..", "../etc", "", "/"]) {
    const message = await down(path, quiet).then(
      () => "",
      (cause: Error) => cause.message,
    );
    assert.match(message, /^cluster name/);
  }
});

test.run();
