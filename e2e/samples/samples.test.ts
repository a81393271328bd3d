import { test } from "uvu";
import * as assert from "uvu/assert";
import { podOf } from "./apply.ts";
import { refOf } from "./images.ts";
import { field } from "./runtimes.ts";
import { decoys, samplesWith } from "./samples.ts";

const facts = {
  os: "debian",
  osVersion: "12",
  node: "v24.0.0",
  otherNode: "v22.0.0",
  java: "17.0.1",
  javaImplementer: "Debian",
  python: "Python 3.11.2",
  go: "go1.26.1",
};
const samples = samplesWith(facts);

test("no two samples of a namespace have one shape: the inventory shows one pod of each shape", () => {
  const shapes = samples.map(({ namespace, containers }) =>
    JSON.stringify([namespace, ...containers.map(({ image, command }) => [image, command[0]?.replace(/^.*\//, "")])]),
  );
  assert.equal(shapes, [...new Set(shapes)]);
});

test("names are unique, and there are several namespaces and both nodes", () => {
  const names = samples.map(({ namespace, name }) => `${namespace}/${name}`);
  assert.equal(names, [...new Set(names)]);
  assert.ok(new Set(samples.map(({ namespace }) => namespace)).size >= 3);
  assert.equal([...new Set(samples.map(({ node }) => node))].sort(), [0, 1]);
});

test("every version that the runtimes have is expected of some sample", () => {
  const expected = JSON.stringify(samples.flatMap(({ containers }) => containers.map((one) => one.expected)));
  for (const fact of Object.values(facts)) assert.ok(expected.includes(JSON.stringify(fact)), fact);
});

test("every decoy is a sample", () => {
  for (const { namespace, pod, program } of decoys) {
    const sample = samples.find((one) => one.namespace === namespace && one.name === pod);
    assert.is(sample?.containers[0]?.command[0], program);
  }
});

test("a pod stays on its node, needs no token, and runs as the user that the sample names", () => {
  const sample = samples.find(({ name }) => name === "invoices");
  assert.ok(sample);
  const { metadata, spec } = podOf(sample, "node-2");
  assert.equal([metadata.namespace, metadata.name], ["billing", "invoices"]);
  assert.equal(spec.nodeSelector, { "kubernetes.io/hostname": "node-2" });
  assert.is(spec.automountServiceAccountToken, false);
  assert.equal(
    spec.containers.map(({ image, securityContext }) => [image, securityContext]),
    [[refOf("python"), { allowPrivilegeEscalation: false, runAsUser: 1001, runAsGroup: 1001, runAsNonRoot: true }]],
  );
});

const files = 'ID="rhel"\nID_LIKE=fedora\nVERSION_ID=9.4\n';
test("a field of a release file is found with and without quotes, and by its whole name", () => {
  assert.equal([field(files, "ID"), field(files, "VERSION_ID"), field(files, "ID_LIKE")], ["rhel", "9.4", "fedora"]);
  assert.throws(() => field(files, "VERSION"), /no VERSION/);
});

test.run();
