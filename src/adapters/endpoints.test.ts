/** What is read from slices that are well and from ones that are not. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { names } from "../core/operands.ts";
import type { Api, ApiAnswer, ApiCall } from "./connection.ts";
import { type Endpoint, gathererEndpoints, isFollowed } from "./endpoints.ts";

const asked: ApiCall[] = [];
const api = (answer: ApiAnswer | Error): Api => ({
  call: async (call) => {
    asked.push(call);
    if (answer instanceof Error) throw answer;
    return answer;
  },
});
const pod = (name: string) => ({ kind: "Pod", name, namespace: "n", uid: `uid-${name}` });
const slice = (endpoints: unknown, over: object = {}) => ({
  ...{
    addressType: "IPv4",
    endpoints,
    ports: [
      { name: "metrics", port: 9443 },
      { name: "https", port: 8443 },
    ],
  },
  ...over,
});
const endpoint = (name: string, address: string, over: object = {}) => ({
  ...{ addresses: [address], conditions: { ready: false }, targetRef: pod(name), ...over },
});
const found = (name: string, origin: string, over: Partial<Endpoint> = {}): Endpoint => ({
  ...{ uid: `uid-${name}`, name, origin, leaving: false, ready: false, ...over },
});

const rows: readonly (readonly [rule: string, items: readonly unknown[], expected: readonly Endpoint[]])[] = [
  ["no slice, no gatherer", [], []],
  ["ones that are not ready count", [slice([endpoint("a", "10.0.0.1")])], [found("a", "https://10.0.0.1:8443")]],
  [
    "one that is about to end says so",
    [slice([endpoint("a", "10.0.0.1", { conditions: { ready: false, serving: true, terminating: true } })])],
    [found("a", "https://10.0.0.1:8443", { leaving: true })],
  ],
  [
    "one that is ready says so",
    [slice([endpoint("a", "10.0.0.1", { conditions: { ready: true } })])],
    [found("a", "https://10.0.0.1:8443", { ready: true })],
  ],
  [
    "of one without conditions nobody knows whether it is ready",
    [slice([endpoint("a", "10.0.0.1", { conditions: null })])],
    [found("a", "https://10.0.0.1:8443")],
  ],
  [
    "a pod with two addresses is one, by name in any order",
    [
      slice([endpoint("b", "fd00::2")], { addressType: "IPv6" }),
      slice([endpoint("b", "10.0.0.2"), endpoint("a", "10.0.0.1")]),
    ],
    [found("a", "https://10.0.0.1:8443"), found("b", "https://10.0.0.2:8443")],
  ],
  [
    "IPv6 stands in brackets",
    [slice([endpoint("a", "fd00::1")], { addressType: "IPv6" })],
    [found("a", "https://[fd00::1]:8443")],
  ],
  [
    "what is no pod is left out",
    [
      slice([
        endpoint("a", "10.0.0.1", { targetRef: { ...pod("a"), kind: "Node" } }),
        endpoint("b", "10.0.0.2", { targetRef: null }),
      ]),
    ],
    [],
  ],
  ["what is no address is left out", [slice([endpoint("a", "evil.example/x?"), endpoint("b", "")])], []],
  [
    "without our port there is nothing to ask",
    [
      slice([endpoint("a", "10.0.0.1")], { ports: [{ name: "metrics", port: 9443 }] }),
      slice([endpoint("b", "10.0.0.2")], { ports: null }),
    ],
    [],
  ],
  ["a slice that is empty still", [slice(null)], []],
];
for (const [rule, items, expected] of rows)
  test(rule, async () => {
    assert.equal(await gathererEndpoints(api({ status: 200, body: { items } }), "n"), expected);
  });

test("only slices of our Service are asked for", async () => {
  asked.length = 0;
  await gathererEndpoints(api({ status: 200, body: { items: [] } }), "n");
  assert.equal(
    asked.map(({ path, query }) => [path, query?.labelSelector]),
    [["/apis/discovery.k8s.io/v1/namespaces/n/endpointslices", "kubernetes.io/service-name=runtime-insights-gatherer"]],
  );
});

for (const [rule, answer] of [
  ["not allowed", { status: 403, body: {} }],
  ["of another form", { status: 200, body: { items: [{ addressType: 4 }] } }],
] as const)
  test(`slices that cannot be had: one sentence (${rule})`, async () => {
    const said = await gathererEndpoints(api(answer), "n").then(String, (cause: Error) => cause.message);
    assert.match(said, /^looking for the gatherer's endpoints: .+$/);
  });

const list = (...metadata: readonly object[]): ApiAnswer => ({
  status: 200,
  body: { items: metadata.map((one) => ({ metadata: one })) },
});
const there = list({ name: "a" });
const going = list({ name: "a", deletionTimestamp: "2026-01-01T00:00:00Z" });
const refused = (status: number): ApiAnswer => ({ status, body: {} });
type Seen = ApiAnswer | Error;
const followed: readonly (readonly [rule: string, namespace: Seen, deployment: Seen, expected: boolean])[] = [
  ["our Deployment is there", there, there, true],
  ["it is gone, as in an uninstall", there, list(), false],
  ["it is going", there, going, false],
  ["its namespace is going, of which pods go first", going, there, false],
  ["our role is gone", refused(403), refused(403), false],
  ["our account is gone", refused(401), refused(401), false],
  ["the API server is busy", refused(503), refused(429), true],
  ["the API server is away", new Error("ECONNREFUSED"), new Error("ECONNREFUSED"), true],
];
for (const [rule, ofNamespace, ofDeployment, expected] of followed)
  test(`another gatherer follows? ${rule}`, async () => {
    const call = async ({ path, query }: ApiCall) => {
      const [seen, name] = path === "/api/v1/namespaces" ? [ofNamespace, "n"] : [ofDeployment, names.gatherer];
      assert.is(query?.fieldSelector, `metadata.name=${name}`);
      if (seen instanceof Error) throw seen;
      return seen;
    };
    assert.is(await isFollowed({ call }, "n"), expected);
  });

test.run();
