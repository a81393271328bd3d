/** The independent program, built and asked; and a gather of the same cluster, to compare with. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import type { RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { z } from "zod";
import type { Script } from "../../src/adapters/api.fixture.ts";
import type { GatherOutcome } from "../../src/api/gather.ts";
import { decodePodPage } from "../../src/api/pod.ts";
import { inWorld, run, unpacked } from "../../src/loops/gather.fixture.ts";
import type { Case } from "./cases.ts";

export class Oracle {
  readonly #directory = mkdtempSync(join(tmpdir(), "oracle-"));
  readonly #program = join(this.#directory, "oracle");

  constructor() {
    const env = { ...process.env, GOFLAGS: "" };
    execFileSync("go", ["build", "-o", this.#program, "."], { cwd: import.meta.dirname, env });
  }

  /** Its answer to each of the values, in order. */
  ask<T>(values: readonly unknown[], answer: z.ZodType<T>, args: readonly string[] = []): readonly T[] {
    const input = values.map((one) => JSON.stringify(one)).join("\n");
    const output = execFileSync(this.#program, args, { input, maxBuffer: 1 << 28, encoding: "utf8" });
    const lines = output.trimEnd().split("\n");
    return lines.map((line) => answer.parse(JSON.parse(line)));
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true });
  }
}

/** The bytes of a gather's entries. */
export const entriesSchema = z.object({ workload: z.string(), helm: z.string().nullable(), report: z.string() });
export type Entries = z.infer<typeof entriesSchema>;

const nodes = { "node-1": "127.0.0.1", "node-2": "127.0.0.2", "node-3": "127.0.0.3" };

/** What a gather of the case writes, by a clock that stands still a minute after the start. */
export async function gathered(one: Case): Promise<{ readonly entries: Entries; readonly outcome: GatherOutcome }> {
  const exporter: RequestListener = (request, response) => {
    const node = Object.entries(nodes).find(([, address]) => address === request.socket.localAddress)?.[0] ?? "";
    response.writeHead(one.statuses?.[node] ?? 200).end(JSON.stringify(one.answers[node] ?? {}));
  };
  let result: { readonly entries: Entries; readonly outcome: GatherOutcome } | undefined;
  await inWorld({ extractors: nodes, exporter, script: scriptOf(one) }, async (world) => {
    const { outcome } = await run(world, { inventory: false, podLimit: one.podLimit });
    const written = await unpacked(world);
    // The port of this test stands for the one that exporters have.
    const report = written["insights-operator/gathers.json"]?.replaceAll(`:${world.exporterPort}/`, ":8443/") ?? "";
    const workload = written["config/workload_info.json"] ?? "";
    result = { entries: { workload, helm: written["config/helmchart_info.json"] ?? null, report }, outcome };
  });
  assert.ok(result);
  return result;
}

/** An API server that holds the case, two pods to a page. */
function scriptOf({ pods, images, helm }: Case): Script {
  const pageSize = 2;
  return (path, query) => {
    const last = path.slice(path.lastIndexOf("/") + 1);
    if (path === "/api/v1/namespaces") {
      const names = new Set(decodePodPage({ items: pods }).pods.map(({ namespace }) => namespace));
      return { body: { items: [...names].map((name) => ({ metadata: { name } })) } };
    }
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
export function assertEqualBytes(actual: string | null, wanted: string | null, about: string): void {
  const [left, right] = [actual ?? "(no such entry)", wanted ?? "(no such entry)"];
  let at = 0;
  while (at < right.length && left[at] === right[at]) at += 1;
  const around = (text: string) => text.slice(Math.max(0, at - 300), at + 80);
  assert.ok(left === right, `gathered ${around(left)}\nexpected ${around(right)}\n${about}`);
}

export function assertEqualEntries(actual: Entries, wanted: Entries | undefined, about: string): void {
  assertEqualBytes(actual.workload, wanted?.workload ?? "", about);
  assertEqualBytes(actual.helm, wanted?.helm ?? null, about);
  assertEqualBytes(actual.report, wanted?.report ?? "", about);
}
