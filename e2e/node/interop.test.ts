/** One extractor behind two exporters on a real node: ours, and the stand-in for the existing one (extractor/interop). */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { packageVersion } from "../../hack/build.ts";
import { cloneDir } from "../../hack/cache.ts";
import { inMachine } from "../../hack/cluster/machine.ts";
import { writeProgramImage } from "../../hack/cluster/program-image.ts";
import { kubectl, portForward, waitFor } from "../../hack/kubectl.ts";
import { testCluster } from "./world.ts";

const cluster = await testCluster();
const namespace = "interop-test";
const referenceImage = "localhost/reference-exporter:1";
const nodeImage = `localhost/runtime-insights-node:${packageVersion}`;

const unprivileged = {
  runAsUser: 65532,
  runAsGroup: 65532,
  runAsNonRoot: true,
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ["ALL"] },
};
const volumeMounts = [{ name: "data", mountPath: "/data" }];

/** As manifests/standalone has it, with the second exporter beside the first. */
const pod = (node: string) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "both", namespace },
  spec: {
    nodeName: node,
    hostPID: true,
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 0,
    securityContext: { fsGroup: 65532 },
    containers: [
      { name: "ours", image: nodeImage, command: ["/exporter"], securityContext: unprivileged, volumeMounts },
      {
        name: "reference",
        image: referenceImage,
        args: ["-port", "8001"],
        securityContext: unprivileged,
        volumeMounts,
      },
      {
        name: "extractor",
        image: nodeImage,
        command: ["/extractor_server"],
        securityContext: { privileged: true, runAsUser: 0, readOnlyRootFilesystem: true },
        volumeMounts: [...volumeMounts, { name: "names", mountPath: "/var/log/containers", readOnly: true }],
      },
    ],
    volumes: [
      { name: "data", emptyDir: {} },
      { name: "names", hostPath: { path: "/var/log/containers", type: "Directory" } },
    ],
  },
});

const text = z.string().optional();
const Info = z.strictObject({
  os: text,
  osVersion: text,
  kind: text,
  kindVersion: text,
  kindImplementer: text,
  runtimes: z.array(z.strictObject({ name: z.string(), version: text })).optional(),
});
const Answer = z.record(z.string(), z.record(z.string(), z.record(z.string(), Info)));
type Answer = z.infer<typeof Answer>;

const Status = z.object({
  metadata: z.object({ uid: z.string() }),
  status: z.object({ containerStatuses: z.array(z.object({ name: z.string(), containerID: z.string() })) }),
});

let dir = "";
let uid = "";
/** References of the pod's containers, as its status gives them. */
const references = new Map<string, string>();

test("both exporters run beside one extractor", async () => {
  dir = mkdtempSync(join(tmpdir(), "runtime-insights-"));
  const program = join(dir, "reference-exporter");
  await promisify(execFile)("go", ["build", "-buildvcs=false", "-o", program, "."], {
    cwd: join(cloneDir, "extractor/interop/reference"),
    env: { ...process.env, CGO_ENABLED: "0" },
  });
  await writeProgramImage(referenceImage, program, join(dir, "image.tar"));
  await cluster.importImage(join(dir, "image.tar"));
  const [node] = cluster.nodes;
  assert.ok(node);
  const items = [{ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } }, pod(node.name)];
  await kubectl(cluster, ["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));
  await kubectl(cluster, ["-n", namespace, "wait", "--for=condition=Ready", "pod/both", "--timeout=120s"]);
  const object = Status.parse(JSON.parse(await kubectl(cluster, ["-n", namespace, "get", "pod/both", "-o", "json"])));
  uid = object.metadata.uid;
  for (const { name, containerID } of object.status.containerStatuses) references.set(name, containerID);
  assert.equal([...references.keys()].sort(), ["extractor", "ours", "reference"]);
});

test.after(async () => {
  await kubectl(cluster, ["delete", "namespace", namespace, "--wait=false"]);
  if (dir !== "") rmSync(dir, { recursive: true });
});

async function ask(port: number, query: string, ids: readonly string[] | undefined): Promise<Answer> {
  const forward = await portForward(cluster, { namespace, target: "pod/both", port });
  try {
    const answer = await fetch(`http://127.0.0.1:${forward.port}/gather_runtime_info${query}`, {
      ...(ids === undefined ? {} : { method: "POST", body: JSON.stringify({ containerIds: ids }) }),
      signal: AbortSignal.timeout(60_000),
    });
    assert.is(answer.status, 200);
    return inOrder(Answer.parse(await answer.json()));
  } finally {
    forward.close();
  }
}

/** The frameworks of a container come in no order from the existing exporter. */
function inOrder(answer: Answer): Answer {
  for (const pods of Object.values(answer))
    for (const containers of Object.values(pods))
      for (const { runtimes } of Object.values(containers)) runtimes?.sort((a, b) => (a.name < b.name ? -1 : 1));
  return answer;
}

/** What both answer; asked again when a pod came or went in between. */
const both = (query: string, ids?: readonly string[]): Promise<Answer> =>
  waitFor(
    "both exporters to answer the same",
    async () => {
      const [ours, reference] = [await ask(8000, query, ids), await ask(8001, query, ids)];
      try {
        assert.equal(ours, reference);
      } catch (cause) {
        throw new Error(JSON.stringify({ ours, reference }), { cause });
      }
      return ours;
    },
    { timeoutMs: 60_000, everyMs: 1_000 },
  );

test("they answer the same about every container of the node", async () => {
  const clear = await both("?hash=false");
  const own = clear[namespace]?.both ?? {};
  assert.is(Object.keys(own).length, 3, JSON.stringify(clear));
  const hashed = await both("");
  assert.equal(Object.keys(hashed).sort(), Object.keys(clear).sort());
});

test("they answer the same about the containers asked for, by their references in the pod's status", async () => {
  const reference = references.get("reference") ?? "";
  assert.match(reference, /^containerd:\/\//);
  const unknown = `containerd://${"0".repeat(64)}`;
  const clear = await both("?hash=false", [reference, unknown]);
  const info = clear[namespace]?.both?.[reference];
  assert.is(info?.kind, "Golang", JSON.stringify(clear));
  assert.match(info?.kindVersion ?? "", /^go1\.\d+/);
  assert.equal(Object.keys(clear[namespace]?.both ?? {}), [reference]);
  const hashed = await both("", [reference]);
  assert.is(hashed[namespace]?.both?.[reference]?.kind, "UOVueXxKyJ95");
});

test("neither leaves anything in the volume", async () => {
  const [node] = cluster.nodes;
  assert.ok(node);
  const data = join(cluster.dir, node.name, "kubelet/pods", uid, "volumes/kubernetes.io~empty-dir/data");
  const left = await inMachine(node.init, ["find", data, "-mindepth", "1"]);
  assert.is(left.trim(), "");
  assert.match(await inMachine(node.init, ["stat", "-c", "%a %g", data]), /^2777 65532$/m);
});

test.run();
