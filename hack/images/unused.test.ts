import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { removeUnused, wasUsed } from "./unused.ts";

const dir = mkdtempSync(join(tmpdir(), "unused-test-"));
test.after(() => rmSync(dir, { recursive: true }));
const day = 24 * 60 * 60_000;

test("what nobody used for two weeks goes; what was used since stays, however old it is", () => {
  const nowMs = Date.now();
  for (const [name, days] of Object.entries({ old: 15, recent: 13, revived: 100 })) {
    writeFileSync(join(dir, name), "");
    utimesSync(join(dir, name), new Date(nowMs - days * day), new Date(nowMs - days * day));
  }
  mkdirSync(join(dir, "folder", "within"), { recursive: true });
  utimesSync(join(dir, "folder"), new Date(nowMs - 15 * day), new Date(nowMs - 15 * day));
  assert.is(wasUsed(join(dir, "revived")), true);
  assert.is(wasUsed(join(dir, "absent")), false);
  removeUnused(dir, nowMs);
  assert.equal(readdirSync(dir).sort(), ["recent", "revived"]);
});

test.run();
