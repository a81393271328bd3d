import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cacheDir } from "./cache.ts";
import { useOwnCache } from "./images/own-cache.ts";
import { withScratch } from "./scratch.ts";

useOwnCache(test);
const hourMs = 60 * 60_000;

test("each use has an empty folder of its own, which is gone afterwards", async () => {
  const seen = await Promise.all(
    [1, 2].map((result) =>
      withScratch(async (dir) => {
        assert.equal(readdirSync(dir), []);
        writeFileSync(join(dir, "file"), "");
        return { dir, result };
      }),
    ),
  );
  assert.equal(
    seen.map(({ result }) => result),
    [1, 2],
  );
  assert.is(new Set(seen.map(({ dir }) => dir)).size, 2);
  assert.not.ok(seen.some(({ dir }) => existsSync(dir)));
});

test("it is gone as well when its use fails", async () => {
  let used = "";
  const failure = await withScratch(async (dir) => {
    used = dir;
    throw new Error("no");
  }).catch((cause: unknown) => cause);
  assert.instance(failure, Error);
  assert.ok(used !== "" && !existsSync(used));
});

test("what a run of yesterday left is removed, what one of today has is not", async () => {
  for (const [name, hours] of [
    ["left", 25],
    ["in-use", 23],
  ] as const) {
    const dir = join(cacheDir("tmp"), name);
    mkdirSync(join(dir, "blobs"), { recursive: true });
    const time = new Date(Date.now() - hours * hourMs);
    utimesSync(dir, time, time);
  }
  await withScratch(async () => {});
  assert.equal(readdirSync(cacheDir("tmp")), ["in-use"]);
});

test.run();
