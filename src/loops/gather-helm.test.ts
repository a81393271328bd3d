import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Script } from "../adapters/api.fixture.ts";
import { inWorld, run, unpacked } from "./gather.fixture.ts";

const item = (namespace: string, chart: string) => ({ metadata: { namespace, labels: { "helm.sh/chart": chart } } });
const kinds = ["replicasets", "daemonsets", "statefulsets", "services", "deployments"];
/** The lists, empty unless given. */
const helmScript =
  (lists: Readonly<Record<string, { readonly status?: number; readonly body: unknown }>>): Script =>
  (path, query) => {
    const kind = path.slice(path.lastIndexOf("/") + 1);
    if (!kinds.includes(kind) || query.get("labelSelector") !== "app.kubernetes.io/managed-by=Helm") return undefined;
    return lists[kind] ?? { body: { items: [] } };
  };

interface Report {
  readonly name: string;
  readonly records_count: number;
  readonly errors: unknown;
}
const reportsOf = async (world: Parameters<typeof unpacked>[0]): Promise<readonly Report[]> =>
  JSON.parse((await unpacked(world))["insights-operator/gathers.json"] ?? "").status_reports;

test("charts are an entry of the archive and a function of the report", () => {
  const script = helmScript({ services: { body: { items: [item("shop", "web-1.0")] } } });
  return inWorld({ script }, async (world, requests) => {
    await run(world, { runtimeInfo: false });
    const entries = await unpacked(world);
    assert.equal(Object.keys(entries), [
      "config/helmchart_info.json",
      "config/workload_info.json",
      "insights-operator/gathers.json",
    ]);
    assert.match(
      entries["config/helmchart_info.json"] ?? "",
      /^\{"[0-9a-f]{64}":\[\{"name":"web","version":"1\.0","resources":\{"services":1\}\}\]\}$/,
    );
    assert.equal(
      (await reportsOf(world)).map(({ name, records_count, errors }) => [name, records_count, errors]),
      [
        ["workloads", 2, null],
        ["workloads/helmchart_info", 1, null],
        ["workloads/workload_info", 1, null],
      ],
    );
    const selector = "?labelSelector=app.kubernetes.io/managed-by=Helm&limit=500";
    assert.equal(
      requests.filter((one) => one.endsWith(selector)).map((one) => one.slice(one.lastIndexOf("v1/") + 3)),
      kinds.map((kind) => `${kind}${selector}`),
    );
  });
});

test("without charts there is no entry, and no error", () =>
  inWorld({ script: helmScript({}) }, async (world) => {
    await run(world, { runtimeInfo: false });
    assert.not.ok((await unpacked(world))["config/helmchart_info.json"]);
    assert.equal((await reportsOf(world))[1], {
      ...{ name: "workloads/helmchart_info", duration_in_ms: 0, records_count: 0 },
      ...{ errors: null, warnings: null, panic: null },
    });
  }));

test("a kind that the cluster lacks throws the others away, without an error", () => {
  const script = helmScript({
    replicasets: { body: { items: [item("shop", "web-1.0")] } },
    services: { status: 404, body: {} },
  });
  return inWorld({ script }, async (world) => {
    await run(world, { runtimeInfo: false });
    assert.not.ok((await unpacked(world))["config/helmchart_info.json"]);
    assert.is((await reportsOf(world))[1]?.errors, null);
  });
});

test("a kind that may not be read costs itself, and is an error", () => {
  const script = helmScript({
    replicasets: { body: { items: [item("shop", "web-1.0")] } },
    services: { status: 403, body: { message: "services is forbidden" } },
    deployments: { body: { items: [{ metadata: 7 }] } },
  });
  return inWorld({ script }, async (world) => {
    const { outcome } = await run(world, { runtimeInfo: false });
    assert.is(outcome.succeeded, true);
    assert.match((await unpacked(world))["config/helmchart_info.json"] ?? "", /"resources":\{"replicasets":1\}/);
    const [summary, helm] = await reportsOf(world);
    const [forbidden, strange] = Array.isArray(helm?.errors) ? helm.errors : [];
    assert.is(forbidden, "listing services: status 403: services is forbidden");
    assert.match(strange, /^reading a page of objects: items\.0\.metadata/);
    assert.is(JSON.stringify(summary?.errors).split("helmchart_info").length - 1, 2);
  });
});

test("a list that breaks off behind its first page counts for nothing", () => {
  const script: Script = (path, query) => {
    if (!path.endsWith("/services")) return helmScript({})(path, query);
    if (query.has("continue")) return "cut off";
    return { body: { metadata: { continue: "t" }, items: [item("shop", "web-1.0")] } };
  };
  return inWorld({ script }, async (world) => {
    await run(world, { runtimeInfo: false });
    assert.not.ok((await unpacked(world))["config/helmchart_info.json"]);
    const [, helm] = await reportsOf(world);
    assert.match(JSON.stringify(helm?.errors), /^\["listing services: /);
  });
});

test("pages are followed, an expired listing starts again, and a filter holds", () => {
  let expiries = 1;
  const script: Script = (path, query) => {
    if (path.endsWith("/shop/pods")) return { body: { items: [] } };
    if (!path.endsWith("/services")) return helmScript({})(path, query);
    if (!query.has("continue"))
      return { body: { metadata: { continue: "t" }, items: [item("shop", "web-1.0"), item("bank", "db-1.0")] } };
    expiries -= 1;
    return expiries >= 0 ? { status: 410, body: {} } : { body: { items: [item("shop", "web-1.0")] } };
  };
  return inWorld({ script }, async (world) => {
    await run(world, { runtimeInfo: false, namespaces: ["shop"] });
    const entries = await unpacked(world, "filtered-insights-2026-01-02-030405.tar.gz");
    assert.match(
      entries["config/helmchart_info.json"] ?? "",
      /^\{"[0-9a-f]{64}":\[\{.*"resources":\{"services":2\}\}\]\}$/,
    );
  });
});

test("lists that take too long cost the charts, not the archive", () => {
  const script = helmScript({
    replicasets: { body: { items: [item("shop", "web-1.0")] } },
    services: { status: 503, body: {} },
  });
  return inWorld({ script }, async (world) => {
    const { outcome } = await run({ ...world, delaysMs: [20_000], helmTimeoutMs: 200 }, { runtimeInfo: false });
    assert.is(outcome.succeeded, true);
    assert.not.ok((await unpacked(world))["config/helmchart_info.json"]);
    const [, helm] = await reportsOf(world);
    assert.equal(helm?.errors, ["listing the objects that Helm made: not done within 0.2 s"]);
  });
});

test("a gather that failed reads no more", () => {
  const failing = helmScript({ replicasets: { status: 503, body: {} } });
  const script: Script = (path, query) => (path === "/api/v1/pods" ? { status: 403, body: {} } : failing(path, query));
  return inWorld({ script }, async (world, requests) => {
    const { outcome } = await run({ ...world, delaysMs: [200] }, { runtimeInfo: false });
    assert.is(outcome.reason, "PodListFailed");
    await sleep(600);
    assert.is(requests.filter((one) => one.includes("/apis/apps/")).length, 1);
  });
});

test("switched off, nothing is read and nothing is said", () =>
  inWorld({ script: helmScript({}) }, async (world, requests) => {
    await run(world, { runtimeInfo: false, helm: false });
    assert.not.ok(requests.some((one) => one.includes("managed-by")));
    assert.equal(
      (await reportsOf(world)).map(({ name }) => name),
      ["workloads", "workloads/workload_info"],
    );
  }));

test.run();
