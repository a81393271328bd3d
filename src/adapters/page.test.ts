import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { type Script, scriptedApi } from "./api.fixture.ts";
import { Pages } from "./page.ts";

const patience = { what: "listing things", signal: new AbortController().signal, delaysMs: [1, 1] };
const pageSchema = z.object({ metadata: z.object({ continue: z.string() }), items: z.array(z.string()) });
const path = "/api/v1/things";

/** A server of so many objects of a size each, and the limits it was asked with. */
async function asked(sizes: readonly number[], maxBytes: number, trouble: Script = () => undefined) {
  const script: Script = (where, query) => {
    const early = trouble(where, query);
    if (early !== undefined) return early;
    const from = Number(query.get("continue") ?? 0);
    const to = from + Number(query.get("limit"));
    const items = sizes.slice(from, to).map((size, index) => `${from + index}:${"x".repeat(size)}`);
    return { body: { metadata: { continue: to < sizes.length ? String(to) : "" }, items } };
  };
  const api = await scriptedApi(script);
  const found: string[] = [];
  try {
    const pages = new Pages(maxBytes);
    let token = "";
    do {
      const { status, body } = await pages.ask(api.connection, { path }, token, patience);
      assert.is(status, 200);
      const page = pageSchema.parse(body);
      found.push(...page.items.map((item) => item.split(":")[0] ?? ""));
      token = page.metadata.continue;
    } while (token !== "");
  } finally {
    await api.close();
  }
  const limits = api.requests.map((one) => Number(/limit=(\d+)/.exec(one)?.[1]));
  assert.equal(
    found,
    Array.from(sizes, (_, index) => String(index)),
  );
  return limits;
}
const many = (count: number, size: number) => Array.from({ length: count }, () => size);

test("pages that fit are asked for once each", async () => {
  assert.equal(await asked(many(1_001, 1), 100_000), [500, 500, 500]);
});

test("a page that is too large comes in smaller pieces, and small ones make them larger again", async () => {
  const limits = await asked([...many(20, 10_000), ...many(2_000, 1)], 100_000);
  assert.equal(limits.slice(0, 5), [500, 62, 7, 7, 7]);
  assert.ok(Math.max(...limits.slice(5)) === 500, limits.join());
});

test("an object that is too large by itself is taken", async () => {
  assert.equal((await asked([5_000, 5_000, 5_000], 1_000)).slice(0, 4), [500, 62, 7, 1]);
});

test("an error is asked about again at the same size, a lost connection too", async () => {
  let troubles = 0;
  const trouble: Script = () => {
    troubles += 1;
    return troubles === 1 ? { status: 503, body: {} } : troubles === 2 ? "cut off" : undefined;
  };
  assert.equal(await asked(many(3, 1), 1_000, trouble), [500, 500, 500]);
});

test("other answers are handed on, and no JSON is nothing", async () => {
  const api = await scriptedApi(() => ({ status: 410, body: { message: "expired" } }));
  try {
    assert.equal(await new Pages().ask(api.connection, { path }, "t", patience), {
      ...{ status: 410, body: { message: "expired" } },
    });
  } finally {
    await api.close();
  }
});

test("an abort ends it, also while a page is too large", async () => {
  const stop = new AbortController();
  const api = await scriptedApi(() => {
    stop.abort(new Error("enough"));
    return { body: { items: many(500, 1_000) } };
  });
  try {
    await new Pages(10).ask(api.connection, { path }, "", { ...patience, signal: stop.signal });
    assert.unreachable("it went on");
  } catch (cause) {
    assert.match(String(cause), "enough");
  } finally {
    await api.close();
  }
});

test.run();
