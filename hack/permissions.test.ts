import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Call, callsOf } from "./cluster/audit.ts";
import { allows, type Grant, grantsOf, judge, readManifests, told } from "./permissions.ts";

const account = "runtime-insights-operator";
const secret = { group: "", resource: "secrets", namespace: "runtime-insights", name: "a" };
const grant = (over: Partial<NonNullable<Grant["resource"]>> = {}): Grant => ({
  ...{ account, verb: "get" },
  resource: { ...secret, ...over },
});
const call = (over: Partial<NonNullable<Call["resource"]>> = {}): Call => ({
  ...{ account, verb: "get" },
  resource: { ...secret, ...over },
});

const rows: readonly (readonly [rule: string, grant: Grant, call: Call, expected: boolean])[] = [
  ["the same name", grant(), call(), true],
  ["another name", grant(), call({ name: "b" }), false],
  ["no name asked for", grant(), call({ name: "" }), false],
  ["any name allowed", grant({ name: "" }), call(), true],
  ["another namespace", grant(), call({ namespace: "b" }), false],
  ["every namespace allowed", grant({ namespace: "" }), call(), true],
  ["another group", grant({ group: "apps" }), call(), false],
  ["a subresource is another resource", grant(), call({ resource: "secrets/status" }), false],
  ["another verb", grant(), { ...call(), verb: "list" }, false],
  ["another account", grant(), { ...call(), account: "b" }, false],
  ["a path", { account, verb: "get", url: "/v1/a" }, { account, verb: "get", url: "/v1/a" }, true],
  ["a path below", { account, verb: "get", url: "/v1/a" }, { account, verb: "get", url: "/v1/a/b" }, false],
  ["a path by pattern", { account, verb: "get", url: "/v1/a/*" }, { account, verb: "get", url: "/v1/a/b" }, true],
  ["a path is no resource", { account, verb: "get", url: "/v1/a" }, call(), false],
];
for (const [rule, may, does, expected] of rows)
  test(`a grant and a call: ${rule}`, () => {
    assert.is(allows(may, does), expected);
  });

test("what no call used is told, but not what admission or the API server asks for", () => {
  const bind = { account, verb: "bind", resource: { ...secret, resource: "clusterroles" } };
  const { unused } = judge([grant(), grant({ name: "b" }), bind], [call(), { ...call({ name: "b" }), refused: "no" }]);
  assert.equal(unused.map(told), [`${account}: get secrets b in runtime-insights`]);
});

test("what was refused is told, but not of accounts that tests make, nor what the rules allow", () => {
  const calls = [
    { ...call({ name: "b" }), refused: "no" },
    { ...call({ name: "c" }), account: "lister", refused: "no" },
    { ...call(), refused: "forbidden because it is being terminated" },
  ];
  assert.equal(judge([grant()], calls).refused.map(told), [`${account}: get secrets b in runtime-insights`]);
});

const line = (over: object) => ({
  ...{ verb: "patch", requestURI: "/api/v1/namespaces/runtime-insights/secrets/a?force=true" },
  user: { username: `system:serviceaccount:runtime-insights:${account}` },
  objectRef: { resource: "secrets", namespace: "runtime-insights", name: "a", apiVersion: "v1" },
  ...over,
});
const patch: Call = { account, verb: "patch", resource: secret };

test("of a line of the audit log: an apply of what is there needs patch", () => {
  assert.equal(callsOf(line({ responseStatus: { code: 200 } })), [patch]);
});

test("of a line of the audit log: an apply of what was not there needs create as well", () => {
  assert.equal(callsOf(line({ responseStatus: { code: 201 } })), [patch, { ...patch, verb: "create" }]);
});

test("of a line of the audit log: what was refused has the reason", () => {
  assert.equal(callsOf(line({ responseStatus: { code: 403, message: "no" } })), [{ ...patch, refused: "no" }]);
});

test("of a line of the audit log: others than our accounts, and what is none, are no calls", () => {
  assert.equal(callsOf(line({ user: { username: "admin" } })), []);
  assert.equal(callsOf(undefined), []);
});

test("of a line of the audit log: a path that a proxy asked about is used when it was allowed", () => {
  const review = (allowed: boolean) =>
    line({
      ...{ verb: "create", objectRef: { apiGroup: "authorization.k8s.io", resource: "subjectaccessreviews" } },
      responseObject: {
        spec: {
          user: "system:serviceaccount:runtime-insights:runtime-insights-reader",
          nonResourceAttributes: { path: "/v1/inventory", verb: "get" },
        },
        status: { allowed },
      },
    });
  const used = { account: "runtime-insights-reader", verb: "get", url: "/v1/inventory" };
  assert.equal(callsOf(review(true)).slice(1), [used]);
  assert.equal(callsOf(review(false)).slice(1), []);
});

test("the shipped rules are read with the accounts that they are bound to, and where", () => {
  const grants = grantsOf(readManifests()).map(told);
  for (const expected of [
    "runtime-insights-operator: patch deployments.apps runtime-insights-gatherer in runtime-insights",
    "runtime-insights-operator: create events in default",
    "runtime-insights-operator: bind clusterroles.rbac.authorization.k8s.io runtime-insights-reader",
    "runtime-insights-gatherer: list pods",
    "runtime-insights-reader: get /v1/inventory",
  ])
    assert.ok(grants.includes(expected), expected);
});

test.run();
