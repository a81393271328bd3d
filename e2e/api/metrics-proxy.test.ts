/** The shipped proxy before the operator's metrics, with the real kube-rbac-proxy under the operator's account. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { Registry } from "prom-client";
import { Agent, request } from "undici";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { ensureBinaries } from "../../hack/cluster/binaries.ts";
import { kubectl, waitFor } from "../../hack/kubectl.ts";
import { freePort } from "../../hack/ports.ts";
import { operatorMetrics } from "../../src/adapters/operator-metrics.ts";
import { serveMetrics, type Telemetry } from "../../src/adapters/telemetry.ts";
import { namespace, OperatorWorld } from "./operator-world.ts";

let world: OperatorWorld;
let telemetry: Telemetry;
let proxy: ChildProcess;
let port = 0;
const agent = new Agent({ connect: { rejectUnauthorized: false } });

test.after(async () => {
  proxy?.kill("SIGKILL");
  await agent.close();
  await telemetry?.close();
  await world?.stop();
});

const deploymentSchema = z.object({
  spec: z.object({
    template: z.object({
      spec: z.object({ containers: z.array(z.object({ name: z.string(), args: z.array(z.string()).default([]) })) }),
    }),
  }),
});

async function ask(path: string, account?: string): Promise<readonly [number, string]> {
  const token =
    account === undefined ? undefined : await kubectl(world.server, ["-n", namespace, "create", "token", account]);
  const { statusCode, body } = await request(`https://127.0.0.1:${port}${path}`, {
    dispatcher: agent,
    headers: token === undefined ? {} : { authorization: `Bearer ${token.trim()}` },
  });
  return [statusCode, await body.text()];
}

test("preparation: the proxy runs with its shipped arguments and a certificate of its own making", async () => {
  world = await OperatorWorld.start({ controllers: false });
  const registry = new Registry();
  operatorMetrics(registry);
  telemetry = await serveMetrics({ address: "127.0.0.1", port: 0 }, registry);
  port = await freePort();
  const path = `/apis/apps/v1/namespaces/${namespace}/deployments/runtime-insights-operator`;
  const { containers } = deploymentSchema.parse(await world.get(path)).spec.template.spec;
  const shipped = containers.find(({ name }) => name === "kube-rbac-proxy-metrics")?.args ?? [];
  const args = shipped.map((arg) => arg.replace(":9443", `127.0.0.1:${port}`).replace(":9090", `:${telemetry.port}`));
  const binDir = await ensureBinaries(["kube-rbac-proxy"], () => undefined);
  const account = await world.accountConfig("runtime-insights-operator");
  proxy = spawn(join(binDir, "kube-rbac-proxy"), [...args, `--kubeconfig=${account}`], { stdio: "ignore" });
  await waitFor("the proxy", async () => (await ask("/metrics").catch(() => undefined))?.[0], { everyMs: 200 });
  for (const name of ["scraper", "nobody"])
    await kubectl(world.server, ["-n", namespace, "create", "serviceaccount", name]);
  const subject = `--serviceaccount=${namespace}:scraper`;
  await kubectl(world.server, ["create", "clusterrolebinding", "scraper", "--clusterrole=system:monitoring", subject]);
});

test("without a token: 401", async () => {
  assert.is((await ask("/metrics"))[0], 401);
});

test("an account that the cluster does not allow /metrics: 403", async () => {
  assert.is((await ask("/metrics", "nobody"))[0], 403);
});

test("an account bound to ClusterRole system:monitoring: the metrics", async () => {
  const [status, text] = await ask("/metrics", "scraper");
  assert.is(status, 200);
  assert.match(text, /^runtime_insights_operator_leader 0$/m);
});

test("no other path is let through", async () => {
  assert.is((await ask("/healthz", "scraper"))[0], 404);
});

test.run();
