import { test } from "uvu";
import * as assert from "uvu/assert";
import { apiPod } from "../core/pods.fixture.ts";
import { type ScriptedApi, scriptedApi } from "./api.fixture.ts";
import { type PodPagesOptions, podPages } from "./pods.ts";

/** Lists pods, one for each number, with an argument of so many bytes. */
async function list(sizes: readonly number[], options: Partial<PodPagesOptions>) {
  const asked: string[] = [];
  const api: ScriptedApi = await scriptedApi((_, query) => {
    const [start, limit] = [Number(query.get("continue") ?? 0), Number(query.get("limit"))];
    const end = Math.min(start + limit, sizes.length);
    asked.push(`${start}+${limit}`);
    const items = sizes
      .slice(start, end)
      .map((size, n) => apiPod({ name: `p${start + n}`, containers: [{ args: ["x".repeat(size)] }] }));
    return { body: { metadata: end < sizes.length ? { continue: `${end}` } : {}, items } };
  });
  const names: string[] = [];
  try {
    const signal = new AbortController().signal;
    for await (const event of podPages(api.connection, { signal, delaysMs: [1], ...options }))
      if (event.kind === "page") names.push(...event.pods.map(({ name }) => name));
      else names.push(event.kind);
  } finally {
    await api.close();
  }
  return { asked, names };
}
const all = (sizes: readonly number[]) => sizes.map((_, n) => `p${n}`);

test("a page too large to hold comes in smaller pieces, down to single pods, and each pod once", async () => {
  const sizes = Array.from({ length: 40 }, (_, n) => (n >= 10 && n < 14 ? 100_000 : 10));
  const { asked, names } = await list(sizes, { pageSize: 16, maxPageBytes: 50_000 });
  assert.equal(names, all(sizes));
  assert.is(asked[0], "0+16");
  for (const start of [10, 11, 12, 13]) assert.ok(asked.includes(`${start}+1`), asked.join());
  assert.ok(
    asked.some((one) => Number(one.split("+")[0]) > 14 && Number(one.split("+")[1]) > 4),
    asked.join(),
  );
});

test("a single pod is read however large it is", async () => {
  const { names } = await list([200_000, 200_000], { pageSize: 2, maxPageBytes: 50_000 });
  assert.equal(names, ["p0", "p1"]);
});

test("pages that fit are as large as ever", async () => {
  const sizes = Array.from({ length: 10 }, () => 10);
  const { asked, names } = await list(sizes, { pageSize: 4, maxPageBytes: 50_000 });
  assert.equal(names, all(sizes));
  assert.equal(asked, ["0+4", "4+4", "8+4"]);
});

test.run();
