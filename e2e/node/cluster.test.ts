import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { up } from "../../hack/cluster/cluster.ts";
import { inMachine } from "../../hack/cluster/machine.ts";
import { containerdSocket } from "../../hack/cluster/node.ts";
import { writeProgramImage } from "../../hack/cluster/program-image.ts";
import { kubectl, portForward, waitFor } from "../../hack/kubectl.ts";
import { testCluster } from "./world.ts";

const cluster = await testCluster();
const image = "localhost/busybox:1";
const namespace = "cluster-test";
const labels = { app: "web" };

const objects = [
  { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
  {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "web", namespace },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          hostPID: true,
          terminationGracePeriodSeconds: 0,
          containers: [
            {
              name: "web",
              image,
              args: ["httpd", "-f", "-v", "-p", "8080", "-h", "/"],
              securityContext: { privileged: true },
            },
          ],
        },
      },
    },
  },
  {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace },
    spec: { selector: labels, ports: [{ port: 80, targetPort: 8080 }] },
  },
];

interface Pod {
  readonly name: string;
  readonly node: string;
  readonly address: string;
}

const pods = async (): Promise<readonly Pod[]> => {
  const path = "{range .items[*]}{.metadata.name} {.spec.nodeName} {.status.podIP}{'\\n'}{end}";
  const text = await kubectl(cluster, ["-n", namespace, "get", "pods", "-l", "app=web", "-o", `jsonpath=${path}`]);
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [name = "", node = "", address = ""] = line.split(" ");
      return { name, node, address };
    })
    .sort((a, b) => (a.node < b.node ? -1 : 1));
};

const inPod = (pod: Pod, ...command: readonly string[]) =>
  kubectl(cluster, ["-n", namespace, "exec", pod.name, "--", "/busybox", ...command]);

test.before(async () => {
  const dir = mkdtempSync(join(tmpdir(), "runtime-insights-"));
  try {
    const archive = join(dir, "busybox.tar");
    await writeProgramImage(image, "/bin/busybox", archive);
    await cluster.importImage(archive);
  } finally {
    rmSync(dir, { recursive: true });
  }
  await kubectl(cluster, ["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }));
  await kubectl(cluster, ["-n", namespace, "rollout", "status", "daemonset/web", "--timeout=180s"]);
});

test.after(async () => {
  await kubectl(cluster, ["delete", "namespace", namespace, "--wait=false"]);
});

test("one privileged pod on each node", async () => {
  assert.equal(
    (await pods()).map((pod) => pod.node),
    cluster.nodes.map((node) => node.name),
  );
});

/** The status line of an HTTP answer. busybox's wget needs shared libraries to resolve names, its nc and nslookup do not. */
const fetchFrom = (pod: Pod, address: string, port: number) =>
  inPod(
    pod,
    "sh",
    "-c",
    `printf 'GET /busybox HTTP/1.0\\r\\n\\r\\n' | /busybox nc -w 30 ${address} ${port} | /busybox head -n 1`,
  );

/** The address that a pod gets for a name. */
const resolveIn = (pod: Pod, name: string, address: RegExp): Promise<string> =>
  waitFor(`${name} to resolve in ${pod.name}`, async () => {
    const resolved = await inPod(pod, "nslookup", name);
    const found = address.exec(resolved)?.[1];
    if (found === undefined) throw new Error(resolved);
    return found;
  });

test("a pod reaches pods on both nodes", async () => {
  const all = await pods();
  for (const from of all) for (const to of all) assert.match(await fetchFrom(from, to.address, 8080), /200 OK/);
});

test("a service resolves and answers on both nodes", async () => {
  for (const pod of await pods()) {
    const address = await resolveIn(pod, `web.${namespace}.svc.cluster.local`, /Address: (10\.96\.\d+\.\d+)$/m);
    for (let times = 0; times < 4; times += 1) assert.match(await fetchFrom(pod, address, 80), /200 OK/);
  }
});

test("the API server resolves and answers in pods on both nodes", async () => {
  for (const pod of await pods()) {
    const address = await resolveIn(pod, "kubernetes.default.svc.cluster.local", /Address: (10\.96\.\d+\.1)$/m);
    // It speaks TLS there, and says so to who does not.
    assert.match(await fetchFrom(pod, address, 443), /400 Bad Request/);
  }
});

test("with hostPID a pod sees the processes of its own node only", async () => {
  for (const pod of await pods()) {
    const processes = await inPod(pod, "ps", "-o", "args");
    assert.match(processes, new RegExp(`hostname-override=${pod.node}`));
    assert.is(processes.match(/kubelet --kubeconfig/g)?.length, 1);
  }
});

test("logs of a container can be read, and a port of it forwarded", async () => {
  const [pod] = await pods();
  assert.ok(pod);
  const forward = await portForward(cluster, { namespace, target: `pod/${pod.name}`, port: 8080 });
  try {
    const answer = await fetch(`http://127.0.0.1:${forward.port}/no-such-file`, {
      signal: AbortSignal.timeout(60_000),
    });
    await answer.body?.cancel();
    assert.is(answer.status, 404);
  } finally {
    forward.close();
  }
  // A line comes by way of containerd, later than the answer.
  await waitFor("the answer in the log", async () =>
    /response:404/.test(await kubectl(cluster, ["-n", namespace, "logs", pod.name])) ? true : undefined,
  );
});

test("a second up does nothing", async () => {
  const said: string[] = [];
  const again = await up({ name: cluster.name, nodes: cluster.nodes.length, log: (line) => said.push(line) });
  assert.equal(said, [`Cluster "${cluster.name}" is up already`]);
  assert.equal(again.nodes, cluster.nodes);
});

test("a service answers on this machine too", async () => {
  const path = "jsonpath={.spec.clusterIP}";
  const address = await kubectl(cluster, ["-n", namespace, "get", "service", "web", "-o", path]);
  const answer = await fetch(`http://${address}/busybox`, { signal: AbortSignal.timeout(60_000) });
  await answer.body?.cancel();
  assert.is(answer.status, 200);
});

test("an archive whose image was replaced is imported again", async () => {
  const dir = mkdtempSync(join(tmpdir(), "runtime-insights-"));
  const tag = "localhost/replaced:1";
  const digests: string[] = [];
  try {
    for (const program of ["/bin/busybox", join(cluster.binDir, "pause"), "/bin/busybox"]) {
      const archive = join(dir, "image.tar");
      await writeProgramImage(tag, program, archive);
      await cluster.importImage(archive);
      const node = cluster.nodes[0];
      assert.ok(node);
      const list = await inMachine(node.init, ["ctr", "-a", containerdSocket, "-n", "k8s.io", "images", "list"]);
      digests.push(list.split("\n").find((line) => line.startsWith(`${tag} `)) ?? "");
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
  assert.is.not(digests[0], digests[1]);
  assert.is(digests[0], digests[2]);
});

test.run();
