import { test } from "uvu";
import * as assert from "uvu/assert";
import { ownExporters } from "../core/exporters.ts";
import { apiPod } from "../core/pods.fixture.ts";
import { type Script, scriptedApi } from "./api.fixture.ts";
import {
  type Extractor,
  findExtractors,
  intermediateProfile,
  profileOf,
  readTlsProfile,
  type TlsProfile,
} from "./extractors.ts";
import { askPatiently } from "./patience.ts";
import { podPages } from "./pods.ts";

const own = ownExporters("runtime-insights");
const { signal } = new AbortController();
const delaysMs = [1, 1, 1];
const problemOf = (attempt: Promise<unknown>): Promise<string> => attempt.then(() => "no problem", String);

const withApi = async (script: Script, check: (api: Awaited<ReturnType<typeof scriptedApi>>) => Promise<void>) => {
  const api = await scriptedApi(script);
  try {
    await check(api);
  } finally {
    await api.close();
  }
};

interface PodOptions {
  readonly node?: string;
  readonly ip?: string;
  readonly phase?: string;
  readonly ready?: string;
  readonly owner?: string;
  readonly controller?: boolean;
  readonly leaving?: boolean;
}
const extractorPod = (options: PodOptions = {}) => {
  const {
    node = "node-1",
    ip = "10.0.0.1",
    phase = "Running",
    ready = "True",
    owner = "uid-1",
    controller = true,
  } = options;
  return {
    metadata: {
      ownerReferences: [{ uid: owner, controller }],
      ...(options.leaving ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}),
    },
    spec: { nodeName: node },
    status: { phase, podIP: ip, conditions: [{ type: "Ready", status: ready }] },
  };
};

const ready: Extractor = { node: "node-1", address: "10.0.0.1", ready: true };
const extractors: readonly {
  readonly rule: string;
  readonly pods: readonly unknown[];
  readonly found: readonly Extractor[];
}[] = [
  { rule: "a ready pod of our DaemonSet is found", pods: [extractorPod()], found: [ready] },
  { rule: "a pod of another owner is not, whatever its labels", pods: [extractorPod({ owner: "uid-2" })], found: [] },
  { rule: "an owner that is not the controller is not enough", pods: [extractorPod({ controller: false })], found: [] },
  {
    rule: "a pod that is not ready is found as such",
    pods: [extractorPod({ ready: "False" })],
    found: [{ ...ready, ready: false }],
  },
  {
    rule: "nor is one that does not run ready",
    pods: [extractorPod({ phase: "Pending" })],
    found: [{ ...ready, ready: false }],
  },
  {
    rule: "nor one that is being deleted",
    pods: [extractorPod({ leaving: true })],
    found: [{ ...ready, ready: false }],
  },
  {
    rule: "nor one without an address",
    pods: [extractorPod({ ip: "" })],
    found: [{ ...ready, address: "", ready: false }],
  },
  {
    rule: "of two pods on a node the ready one counts",
    pods: [extractorPod(), extractorPod({ ip: "10.0.0.2", ready: "False" })],
    found: [ready],
  },
  { rule: "a pod without a node is left out", pods: [extractorPod({ node: "" })], found: [] },
];
for (const { rule, pods, found } of extractors)
  test(rule, () =>
    withApi(
      (path, query) => {
        if (path.endsWith("/daemonsets/runtime-insights-extractor")) return { body: { metadata: { uid: "uid-1" } } };
        if (query.get("labelSelector") === "app.kubernetes.io/name=runtime-insights-extractor")
          return { body: { items: pods } };
        return undefined;
      },
      async ({ connection }) =>
        assert.equal([...(await findExtractors(connection, own, signal)).byNode.values()], found),
    ),
  );

const selection = { namespace: "openshift-insights", selector: "team=insights" };
const daemonSet = (uid: string, disk: string) => ({
  metadata: { uid },
  spec: { template: { spec: { nodeSelector: { disk } } } },
});

test("without a name any DaemonSet of the namespace will do, and the one that owns pods says where they go", () =>
  withApi(
    (path, query) => {
      if (path === "/apis/apps/v1/namespaces/openshift-insights/daemonsets")
        return query.get("continue") === "more"
          ? { body: { items: [daemonSet("uid-2", "fast")] } }
          : { body: { metadata: { continue: "more" }, items: [daemonSet("uid-9", "slow")] } };
      if (query.get("labelSelector") !== "team=insights") return undefined;
      const pods = [
        extractorPod({ owner: "uid-1", node: "node-1" }),
        extractorPod({ owner: "uid-2", node: "node-2" }),
        extractorPod({ owner: "uid-2", node: "node-3", controller: false }),
      ];
      return { body: { items: pods } };
    },
    async ({ connection }) => {
      const { byNode, placement } = await findExtractors(connection, selection, signal);
      assert.equal([...byNode.keys()], ["node-2"]);
      assert.equal(placement, { nodeSelector: { disk: "fast" }, tolerations: [], architectures: [] });
    },
  ));

test("without any DaemonSet in the namespace there are no extractors, whatever pods there are", () =>
  withApi(
    (path) => ({ body: { items: path.endsWith("/pods") ? [extractorPod()] : [] } }),
    async ({ connection }) => assert.is((await findExtractors(connection, selection, signal)).byNode.size, 0),
  ));

const oneBad =
  (bad: unknown): Script =>
  (path) => {
    if (path.endsWith("/daemonsets/runtime-insights-extractor")) return { body: { metadata: { uid: "uid-1" } } };
    return { body: { items: [bad, extractorPod({ node: "node-2" })] } };
  };
for (const [rule, bad] of [
  ["null in place of a pod", null],
  ["a pod of the wrong types", { metadata: { ownerReferences: "x" }, spec: { nodeName: 5 } }],
  ["an address that is a name", extractorPod({ ip: "evil.example" })],
  ["an address with a path", extractorPod({ ip: "10.0.0.1/x?" })],
] as const)
  test(`${rule} costs its own node only`, () =>
    withApi(oneBad(bad), async ({ connection }) => {
      const { byNode } = await findExtractors(connection, own, signal);
      assert.is(byNode.get("node-2")?.ready, true);
      assert.not.ok(byNode.get("node-1")?.ready);
    }));

for (const body of [null, [], "<html>", { items: "x" }])
  test(`a page of extractor pods that is ${JSON.stringify(body)}: one sentence`, () =>
    withApi(
      (path) =>
        path.endsWith("/daemonsets/runtime-insights-extractor") ? { body: { metadata: { uid: "u" } } } : { body },
      async ({ connection }) => {
        assert.match(
          await problemOf(findExtractors(connection, own, signal)),
          /^Error: looking for the extractors: .{1,200}$/,
        );
      },
    ));

test("without the DaemonSet there are no extractors, and no pods are listed", () =>
  withApi(
    () => undefined,
    async ({ connection, requests }) => {
      assert.is((await findExtractors(connection, own, signal)).byNode.size, 0);
      assert.is(requests.length, 1);
    },
  ));

test("a refusal is an error with the API server's words", () =>
  withApi(
    () => ({ status: 403, body: { message: "forbidden: no" } }),
    async ({ connection }) =>
      assert.match(await problemOf(findExtractors(connection, own, signal)), /extractors: status 403: forbidden: no/),
  ));

const profile = (tlsSecurityProfile: unknown) => ({ spec: { tlsSecurityProfile } });
const profiles: readonly { readonly rule: string; readonly apiServer: unknown; readonly expected: TlsProfile }[] = [
  { rule: "no profile: Intermediate", apiServer: { spec: {} }, expected: intermediateProfile },
  { rule: "Old", apiServer: profile({ type: "Old" }), expected: { minVersion: "TLSv1" } },
  { rule: "Intermediate", apiServer: profile({ type: "Intermediate" }), expected: { minVersion: "TLSv1.2" } },
  { rule: "Modern", apiServer: profile({ type: "Modern" }), expected: { minVersion: "TLSv1.3" } },
  { rule: "an unknown type: Intermediate", apiServer: profile({ type: "Future" }), expected: intermediateProfile },
  {
    rule: "Custom without a body: Intermediate",
    apiServer: profile({ type: "Custom" }),
    expected: intermediateProfile,
  },
  {
    rule: "Custom: its version and those of its ciphers that exist",
    apiServer: profile({
      type: "Custom",
      custom: { minTLSVersion: "VersionTLS11", ciphers: ["ECDHE-RSA-AES128-GCM-SHA256", "NONE"] },
    }),
    expected: { minVersion: "TLSv1.1", ciphers: "ECDHE-RSA-AES128-GCM-SHA256" },
  },
];
for (const { rule, apiServer, expected } of profiles) test(rule, () => assert.equal(profileOf(apiServer), expected));

test("a cluster without the API has the Intermediate profile; one that refuses gets it with a note", async () => {
  await withApi(
    () => undefined,
    async ({ connection }) =>
      assert.equal(await readTlsProfile(connection, signal), { kind: "known", profile: intermediateProfile }),
  );
  await withApi(
    () => ({ status: 403, body: {} }),
    async ({ connection }) => assert.is((await readTlsProfile(connection, signal)).kind, "guessed"),
  );
});

test("the API server is asked again after 429, 500 and a cut connection, then no more", async () => {
  const answers = [{ status: 429, body: {} }, { status: 503, body: {} }, "cut off" as const, { body: { fine: true } }];
  await withApi(
    () => answers.shift(),
    async ({ connection }) => {
      const answer = await askPatiently(connection, { path: "/x" }, { what: "asking", signal, delaysMs });
      assert.equal(answer, { status: 200, body: { fine: true } });
    },
  );
  await withApi(
    () => ({ status: 500, body: { message: "broken" } }),
    async ({ connection, requests }) => {
      const problem = await askPatiently(connection, { path: "/x" }, { what: "asking", signal, delaysMs }).catch(
        String,
      );
      assert.match(String(problem), /asking: status 500: broken/);
      assert.is(requests.length, 4);
    },
  );
});

const page = (names: readonly string[], continueToken: string) => ({
  body: { metadata: { continue: continueToken }, items: names.map((name) => apiPod({ name })) },
});
const listed = async (api: Awaited<ReturnType<typeof scriptedApi>>, namespaces?: readonly string[]) => {
  const events: string[] = [];
  for await (const event of podPages(api.connection, { namespaces, signal, pageSize: 2, delaysMs }))
    events.push(event.kind === "page" ? event.pods.map(({ name }) => name).join() : event.kind);
  return events;
};

test("pages follow the continue token, without a resource version", () =>
  withApi(
    (_, query) => (query.get("continue") === null ? page(["a", "b"], "t=1&") : page(["c"], "")),
    async (api) => {
      assert.equal(await listed(api), ["a,b", "c"]);
      assert.equal(api.requests, ["/api/v1/pods?limit=2", "/api/v1/pods?limit=2&continue=t=1&"]);
    },
  ));

test("a page that fails is asked for again", () => {
  let failures = 2;
  return withApi(
    (_, query) => {
      if (query.get("continue") === null) return page(["a", "b"], "t");
      failures -= 1;
      return failures >= 0 ? "cut off" : page(["c"], "");
    },
    async (api) => assert.equal(await listed(api), ["a,b", "c"]),
  );
});

test("an expired listing starts again once", async () => {
  let expiries = 1;
  const script: Script = (_, query) => {
    if (query.get("continue") === null) return page(["a", "b"], "t");
    expiries -= 1;
    return expiries >= 0 ? { status: 410, body: { reason: "Expired" } } : page(["c"], "");
  };
  await withApi(script, async (api) => assert.equal(await listed(api), ["a,b", "restart", "a,b", "c"]));
  expiries = 2;
  await withApi(script, async (api) => assert.match(await problemOf(listed(api)), /expired twice/));
});

test("with namespaces only they are listed, in their order of names", () =>
  withApi(
    (path) => page([path.split("/")[4] ?? ""], ""),
    async (api) => assert.equal(await listed(api, ["shop", "bank"]), ["bank", "shop"]),
  ));

test("a page that is none names the field", () =>
  withApi(
    () => ({ body: { metadata: { continue: 1 }, items: [apiPod()] } }),
    async (api) => assert.match(await problemOf(listed(api)), /metadata\.continue/),
  ));

test("an abort ends the listing between two tries", async () => {
  const controller = new AbortController();
  await withApi(
    () => {
      setTimeout(() => controller.abort(), 10);
      return { status: 503, body: {} };
    },
    async ({ connection }) => {
      const events = podPages(connection, { signal: controller.signal, delaysMs: [60_000] });
      assert.match(await problemOf(events.next()), /abort/i);
    },
  );
});

test.run();
