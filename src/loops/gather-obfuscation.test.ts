import type { RequestListener } from "node:http";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Script } from "../adapters/api.fixture.ts";
import { errorsOf, inWorld, run, unpacked } from "./gather.fixture.ts";

const config = "/apis/config.openshift.io/v1";
const cluster: Readonly<Record<string, unknown>> = {
  [`${config}/networks/cluster`]: {
    spec: { clusterNetwork: [{ cidr: "10.128.0.0/14" }], serviceNetwork: ["172.30.0.0/16"] },
  },
  [`${config}/dnses/cluster`]: { spec: { baseDomain: "shop.example" } },
  [`${config}/infrastructures/cluster`]: { status: { apiServerURL: "https://api.shop.example:6443" } },
};
const chart = { metadata: { namespace: "a", labels: { "helm.sh/chart": "web-1.2.3.4" } } };
const script: Script = (path) => {
  if (path.endsWith("/services")) return { body: { items: [chart] } };
  if (/(?:sets|deployments)$/.test(path)) return { body: { items: [] } };
  const body = cluster[path];
  return body === undefined ? undefined : { body };
};
const order = { obfuscateNetworking: true };
const refusing: RequestListener = (_, response) => response.writeHead(500).end();

test("addresses in errors and versions are hidden in the archive, and stay in the owner's status", () =>
  inWorld({ pods: [{}], extractors: { "node-1": "127.0.0.9" }, exporter: refusing, script }, async (world) => {
    const { outcome } = await run(world, order);
    assert.match((await errorsOf(world))?.[0] ?? "", /from https:\/\/127\.0\.0\.1:/);
    const entries = await unpacked(world);
    assert.match(entries["config/helmchart_info.json"] ?? "", /"version":"0\.0\.0\.0"/);
    assert.match(entries["insights-operator/gathers.json"] ?? "", /"is_global_obfuscation_enabled":true/);
    assert.match(outcome.failures[0]?.message ?? "", /127\.0\.0\.9/);
  }));

test("a cluster without such objects: everything is hidden, and that is noted", () =>
  inWorld({}, async (world) => {
    const { outcome } = await run(world, order);
    assert.is(outcome.succeeded, true);
    assert.ok(outcome.notes.includes("The cluster does not name its networks; all addresses are replaced by 0.0.0.0"));
  }));

for (const [object, answer] of [
  ["networks", { status: 403, body: { message: "no" } }],
  ["dnses", { body: { spec: 7 } }],
] as const)
  test(`when ${object} cannot be read nothing is gathered, and it is said why`, () => {
    const failing: Script = (path, query) => (path.includes(`/${object}/`) ? answer : script(path, query));
    return inWorld({ pods: [{}], script: failing }, async (world, requests) => {
      const { outcome } = await run(world, order);
      assert.equal([outcome.succeeded, outcome.reason, outcome.archive], [false, "ObfuscationFailed", null]);
      assert.match(outcome.message, new RegExp(`^reading ${object}/cluster: `));
      assert.not.ok(requests.some((one) => one.startsWith("/api/v1/pods")));
    });
  });

test.run();
