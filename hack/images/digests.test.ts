import { renameSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { withScratch } from "../scratch.ts";
import { sha256OfFile } from "./digests.ts";
import { useOwnCache } from "./own-cache.ts";

useOwnCache(test);

const digests = {
  one: "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed",
  two: "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3",
};
const hasSettled = { settledMs: -1 };

const changes: readonly (readonly [how: string, change: (file: string) => void])[] = [
  ["written anew in place", (file) => writeFileSync(file, "two")],
  [
    "replaced by another file",
    (file) => {
      writeFileSync(`${file}.new`, "two");
      renameSync(`${file}.new`, file);
    },
  ],
];
for (const [how, change] of changes)
  test(`a file's digest is that of its bytes, also when it was ${how} with the same size and time`, () =>
    withScratch(async (dir) => {
      const file = join(dir, "file");
      writeFileSync(file, "one");
      utimesSync(file, 1, 1);
      assert.is(await sha256OfFile(file, hasSettled), digests.one);
      assert.is(await sha256OfFile(file, hasSettled), digests.one);
      // Longer than what the kernel's clock of files goes by.
      await sleep(20);
      change(file);
      utimesSync(file, 1, 1);
      assert.is(await sha256OfFile(file, hasSettled), digests.two);
    }));

test("a file that changed a moment ago is read again", () =>
  withScratch(async (dir) => {
    const file = join(dir, "file");
    for (const content of ["one", "two"] as const) {
      writeFileSync(file, content);
      assert.is(await sha256OfFile(file), digests[content]);
    }
  }));

test.run();
