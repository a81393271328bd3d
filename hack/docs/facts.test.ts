import { test } from "uvu";
import * as assert from "uvu/assert";
import { flowFacts, podFacts, roleFacts, ruleText, sccFacts } from "./facts.ts";

const rules: readonly (readonly [rule: string, value: object, expected: string])[] = [
  ["of the core group", { apiGroups: [""], resources: ["pods"], verbs: ["get", "list"] }, "get, list: pods"],
  [
    "by name, of another group",
    { apiGroups: ["apps"], resources: ["deployments"], resourceNames: ["a", "b"], verbs: ["patch"] },
    "patch: deployments.apps named a, b",
  ],
  [
    "of two groups: every pair",
    { apiGroups: ["", "apps"], resources: ["a", "b"], verbs: ["get"] },
    "get: a, b, a.apps, b.apps",
  ],
  ["of a path", { nonResourceURLs: ["/v1/*"], verbs: ["get"] }, "get: /v1/*"],
];
for (const [rule, value, expected] of rules) test(`a rule ${rule}`, () => assert.is(ruleText(value), expected));

test("roles of any scope have their rules, other objects none", () => {
  const role = (kind: string, metadata: object) => ({
    ...{ kind, metadata },
    rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }],
  });
  assert.equal(
    roleFacts([
      role("ClusterRole", { name: "a" }),
      role("Role", { name: "a", namespace: "b" }),
      role("RoleBinding", { name: "a" }),
      undefined,
    ]),
    [
      { of: "ClusterRole a", keys: ["get: pods"] },
      { of: "Role a in b", keys: ["get: pods"] },
    ],
  );
});

const restricted = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  capabilities: { drop: ["ALL"] },
  seccompProfile: { type: "RuntimeDefault" },
};
const podOf = (spec: object) =>
  podFacts({
    kind: "DaemonSet",
    metadata: { name: "a" },
    spec: { template: { spec: { automountServiceAccountToken: false, containers: [], ...spec } } },
  }).keys;
const containerOf = (securityContext: object, over: object = {}) =>
  podOf({ containers: [{ name: "c", securityContext }], ...over });

const containers: readonly (readonly [rule: string, keys: readonly string[], expected: readonly string[]])[] = [
  ["restricted is one line", containerOf(restricted), ["c: restricted"]],
  ["restricted with a user says so", containerOf({ ...restricted, runAsUser: 7 }), ["c: restricted, user 7"]],
  [
    "restricted by its pod",
    containerOf(
      { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } },
      { securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } } },
    ),
    ["c: restricted"],
  ],
  ["privileged is told", containerOf({ privileged: true }), ["c: privileged: true"]],
  [
    "every capability is a line",
    containerOf({ capabilities: { add: ["A", "B"] } }),
    ["c: capabilities.add: A", "c: capabilities.add: B"],
  ],
  [
    "restricted but for one field is not restricted",
    containerOf({ ...restricted, readOnlyRootFilesystem: false }),
    [
      "c: allowPrivilegeEscalation: false",
      "c: readOnlyRootFilesystem: false",
      "c: runAsNonRoot: true",
      "c: capabilities.drop: ALL",
      "c: seccompProfile.type: RuntimeDefault",
    ],
  ],
  [
    "restricted with a field that nobody judged is not restricted",
    containerOf({ ...restricted, procMount: "Unmasked" }).slice(-1),
    ["c: procMount: Unmasked"],
  ],
  ["what is shared with the host is told", podOf({ hostPID: true }), ["pod: hostPID: true"]],
  [
    "a token for every container is told",
    podOf({ automountServiceAccountToken: undefined }),
    ["every container: token for the API server"],
  ],
  [
    "a mount has its containers and source",
    podOf({
      containers: ["b", "c"].map((name) => ({ name, volumeMounts: [{ name: "v", mountPath: "/v", readOnly: true }] })),
      volumes: [{ name: "v", hostPath: { path: "/log" } }],
    }),
    ["b, c: /v (read-only): host path /log"],
  ],
];
for (const [rule, keys, expected] of containers) test(`a container: ${rule}`, () => assert.equal(keys, expected));

test("a volume of a kind that nobody judged is an error", () => {
  const mounts = [{ name: "v", mountPath: "/v" }];
  assert.throws(() => podOf({ containers: [{ name: "c", volumeMounts: mounts }], volumes: [{ name: "v", nfs: {} }] }));
});

test("an SCC has a line for each field", () => {
  const scc = {
    ...{ apiVersion: "security.openshift.io/v1", kind: "SecurityContextConstraints", metadata: { name: "a" } },
    ...{ allowHostPID: true, users: [], volumes: ["a", "b"], runAsUser: { type: "RunAsAny" }, priority: null },
  };
  const keys = ["allowHostPID: true", "users: none", "volumes: a, b", "runAsUser: RunAsAny", "priority: null"];
  assert.equal(sccFacts(scc), { of: "SecurityContextConstraints", keys });
});

test("a network policy has a line for each flow", () => {
  const selector = (name: string) => ({ matchLabels: { name } });
  const policy = {
    metadata: { name: "a" },
    spec: {
      ingress: [{ from: [{ podSelector: selector("x"), namespaceSelector: selector("y") }], ports: [] }],
      egress: [{ ports: [{ port: 443, protocol: "TCP" }] }],
    },
  };
  const keys = ["in: every port from pods with name=x in namespaces with name=y", "out: 443 TCP to anywhere"];
  assert.equal(flowFacts(policy), { of: "NetworkPolicy a", keys });
});

test.run();
