import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodeNode, type Placement, placementSchema } from "../api/node.ts";
import { onOurArchitectures } from "./architectures.ts";
import { isCovered, whyNoExtractor } from "./coverage.ts";

const master = { key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" };
const gpu = { key: "gpu", value: "only", effect: "NoExecute" };
const placementOf = (tolerations: readonly unknown[]): Placement =>
  placementSchema.parse({ nodeSelector: { "kubernetes.io/os": "linux" }, tolerations, ...onOurArchitectures });

interface NodeOptions {
  readonly os?: string;
  readonly architecture?: string;
  readonly taints?: readonly unknown[];
  readonly ready?: string;
}
const nodeOf = ({ os = "linux", architecture, taints, ready = "True" }: NodeOptions = {}) =>
  decodeNode({
    metadata: {
      labels: { "kubernetes.io/os": os, ...(architecture === undefined ? {} : { "kubernetes.io/arch": architecture }) },
    },
    spec: taints === undefined ? {} : { taints },
    status: { conditions: [{ type: "Ready", status: ready }] },
  });
const named = "which spec.extractor.tolerations does not name";

const rows: readonly {
  readonly rule: string;
  readonly node?: NodeOptions;
  readonly tolerations?: readonly unknown[];
  readonly why: string;
}[] = [
  { rule: "it went away", why: "the node is not there any more" },
  { rule: "it is no Linux", node: { os: "windows" }, why: "the node lacks label kubernetes.io/os=linux" },
  {
    rule: "of an architecture that no image of ours is for, whatever else keeps it away",
    node: { architecture: "arm64", taints: [master] },
    why: "the node's architecture is arm64, and the images are for amd64 only",
  },
  {
    rule: "of our architecture: the next reason",
    node: { architecture: "amd64", ready: "False" },
    why: "the node is not ready",
  },
  { rule: "tainted", node: { taints: [master] }, why: `the node has taint ${master.key}:NoSchedule, ${named}` },
  { rule: "tainted with a value", node: { taints: [gpu] }, why: `the node has taint gpu=only:NoExecute, ${named}` },
  {
    rule: "tolerated by key: the next reason",
    node: { taints: [master], ready: "False" },
    tolerations: [{ key: master.key, operator: "Exists" }],
    why: "the node is not ready",
  },
  {
    rule: "all tolerated",
    node: { taints: [master, gpu] },
    tolerations: [{ operator: "Exists" }],
    why: "the DaemonSet has not made one yet",
  },
  {
    rule: "tolerated for another value",
    node: { taints: [gpu] },
    tolerations: [{ key: "gpu", value: "no", effect: "NoExecute" }],
    why: `the node has taint gpu=only:NoExecute, ${named}`,
  },
  {
    rule: "tolerated for another effect",
    node: { taints: [gpu] },
    tolerations: [{ key: "gpu", value: "only", effect: "NoSchedule" }],
    why: `the node has taint gpu=only:NoExecute, ${named}`,
  },
  {
    rule: "a preference keeps nobody away, and pods of DaemonSets stand what the cluster itself puts on",
    node: {
      ready: "Unknown",
      taints: [
        { key: "x", effect: "PreferNoSchedule" },
        { key: "node.kubernetes.io/unreachable", effect: "NoExecute" },
      ],
    },
    why: "the node is not ready",
  },
];
for (const { rule, node, tolerations = [], why } of rows)
  test(`no extractor: ${rule}`, () =>
    assert.is(whyNoExtractor(node === undefined ? undefined : nodeOf(node), placementOf(tolerations)), why));

const covered: readonly (readonly [rule: string, node: NodeOptions, isCovered: boolean])[] = [
  ["a node of our architecture", { architecture: "amd64" }, true],
  ["a node of another one", { architecture: "arm64" }, false],
  ["a node that does not say which", {}, true],
  ["a tainted node", { architecture: "amd64", taints: [master] }, false],
  ["a node of another system", { architecture: "amd64", os: "windows" }, false],
];
for (const [rule, node, expected] of covered)
  test(`is to have an extractor: ${rule}`, () => {
    const decoded = nodeOf(node);
    assert.is(decoded !== undefined && isCovered(decoded, placementOf([])), expected);
  });

test("a value that is no node", () => assert.is(decodeNode([]), undefined));

test.run();
