/** Whole files: what a gather writes about a cluster is, byte for byte, what an independent Go program says it must be. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import type { RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import type { Script } from "../../src/adapters/api.fixture.ts";
import { inWorld, reportOf, run, unpacked } from "../../src/loops/gather.fixture.ts";
import { type Case, cases } from "./cases.ts";

const seed = Number(process.env.SEED ?? 20_261_121);
const count = Number(process.env.RUNS ?? 150);

const resultSchema = z.object({ workload: z.string(), helm: z.string().nullable(), limit: z.boolean() });
const directory = mkdtempSync(join(tmpdir(), "oracle-"));
test.after(() => rmSync(directory, { recursive: true }));

const oracle = join(directory, "oracle");
test.before(() => {
  execFileSync("go", ["build", "-o", oracle, "."], { cwd: import.meta.dirname, env: { ...process.env, GOFLAGS: "" } });
});

function expected(all: readonly Case[]): readonly z.infer<typeof resultSchema>[] {
  const input = all.map((one) => JSON.stringify(one)).join("\n");
  const output = execFileSync(oracle, { input, maxBuffer: 1 << 28, encoding: "utf8" });
  return output
    .trimEnd()
    .split("\n")
    .map((line) => resultSchema.parse(JSON.parse(line)));
}

const nodes = { "node-1": "127.0.0.1", "node-2": "127.0.0.2", "node-3": "127.0.0.3" };

/** An API server that holds the case, two pods to a page. */
function scriptOf({ pods, images, helm }: Case): Script {
  const pageSize = 2;
  return (path, query) => {
    const last = path.slice(path.lastIndexOf("/") + 1);
    if (path === "/api/v1/pods") {
      const from = Number(query.get("continue") ?? 0);
      const rest = pods.length > from + pageSize ? String(from + pageSize) : "";
      return { body: { metadata: { continue: rest }, items: pods.slice(from, from + pageSize) } };
    }
    if (path === "/apis/image.openshift.io/v1") return { body: {} };
    if (path.includes("/images/")) {
      const found = images[decodeURIComponent(last)];
      return found === undefined ? undefined : { body: found };
    }
    if (!query.get("labelSelector")?.endsWith("managed-by=Helm")) return undefined;
    const items = helm
      .filter(({ plural }) => plural === last)
      .map(({ namespace, chart }) => ({ metadata: { namespace, labels: { "helm.sh/chart": chart } } }));
    return { body: { items } };
  };
}

/** Shows where the texts part, not the whole of them. */
function assertEqualBytes(actual: string, wanted: string, about: string): void {
  let at = 0;
  while (at < wanted.length && actual[at] === wanted[at]) at += 1;
  const around = (text: string) => text.slice(Math.max(0, at - 300), at + 80);
  assert.ok(actual === wanted, `gathered ${around(actual)}\nexpected ${around(wanted)}\n${about}`);
}

test(`${count} clusters drawn with seed ${seed}: equal bytes`, async () => {
  const all = fc.sample(cases, { seed, numRuns: count });
  const results = expected(all);
  let withRuntimes = 0;
  for (const [index, one] of all.entries()) {
    const exporter: RequestListener = (request, response) => {
      const node = Object.entries(nodes).find(([, address]) => address === request.socket.localAddress)?.[0] ?? "";
      response.end(JSON.stringify(one.answers[node] ?? {}));
    };
    await inWorld({ extractors: nodes, exporter, script: scriptOf(one) }, async (world) => {
      const { outcome } = await run(world, { inventory: false, podLimit: one.podLimit });
      const entries = await unpacked(world);
      const about = `case ${index} of seed ${seed}: ${JSON.stringify(one)}`;
      assertEqualBytes(entries["config/workload_info.json"] ?? "", results[index]?.workload ?? "", about);
      assertEqualBytes(entries["config/helmchart_info.json"] ?? "", results[index]?.helm ?? "", about);
      const { errors } = await reportOf(world);
      const limit = `the ${one.podLimit} limit for number of pods gathered was reached`;
      assert.is(errors?.at(-1) === limit, results[index]?.limit, about);
      assert.is(outcome.counts.nodesFailed, 0, about);
      if (entries["config/workload_info.json"]?.includes('"runtimeInfo"')) withRuntimes += 1;
    });
  }
  assert.ok(withRuntimes > count / 10, `${withRuntimes} of the cases have runtimes`);
});

test.run();
