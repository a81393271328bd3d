import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { listArchives, pruneArchives, type Retention, writeArchive } from "./disk.ts";

let directory = "";
test.before.each(async () => {
  directory = await mkdtemp(join(tmpdir(), "retention-test-"));
});
test.after.each(() => rm(directory, { recursive: true }));

const nowMs = Date.UTC(2026, 0, 2, 3, 5);
const hourMs = 3_600_000;

const second = (n: number, prefix = "") => `${prefix}insights-2026-01-02-0304${String(n).padStart(2, "0")}.tar.gz`;

test("the newest archives are kept; filtered ones are counted apart; other files stay", async () => {
  for (const n of [3, 1, 2, 4]) await writeArchive(directory, second(n), Buffer.from("x"));
  for (const n of [9, 8, 7]) await writeArchive(directory, second(n, "filtered-"), Buffer.from("x"));
  await writeFile(join(directory, "insights-other.txt"), "");
  assert.equal(await pruneArchives(directory, { archives: 2 }, nowMs), [second(7, "filtered-"), second(2), second(1)]);
  assert.equal(
    (await listArchives(directory)).map(({ name }) => name),
    [...[second(9, "filtered-"), second(8, "filtered-"), second(4), second(3)]],
  );
  assert.ok((await readdir(directory)).includes("insights-other.txt"));
});

const day = (n: number, prefix = "") => `${prefix}insights-2026-01-${String(n).padStart(2, "0")}-000000.tar.gz`;

interface Row {
  readonly rule: string;
  readonly retention: Retention;
  /** The clock stands at the beginning of this day of January. */
  readonly today: number;
  readonly aheadMs?: number;
  readonly names: readonly string[];
  readonly kept: readonly string[];
}
const rows: readonly Row[] = [
  {
    rule: "an archive exactly as old as allowed stays, an older one goes",
    retention: { archives: 9, ageMs: 48 * hourMs },
    ...{ today: 10, names: [day(7), day(8), day(9)], kept: [day(9), day(8)] },
  },
  {
    rule: "the newest of each sort stays at any age",
    retention: { archives: 9, ageMs: hourMs },
    ...{ today: 31, names: [day(1), day(2), day(1, "filtered-")], kept: [day(2), day(1, "filtered-")] },
  },
  {
    rule: "the number counts among those that are young enough",
    retention: { archives: 2, ageMs: 48 * hourMs },
    ...{ today: 10, names: [day(8), day(9), day(10)], kept: [day(10), day(9)] },
  },
  {
    rule: "no age limit: only the number counts",
    retention: { archives: 2 },
    ...{ today: 31, names: [day(1), day(2), day(3)], kept: [day(3), day(2)] },
  },
  {
    rule: "a clock that was ahead and is right again: its archives do not push out the new one",
    retention: { archives: 2 },
    ...{ today: 5, names: [day(5), day(20), day(21), day(22)], kept: [day(22), day(5)] },
  },
  {
    rule: "an archive of the future is not too old",
    retention: { archives: 9, ageMs: hourMs },
    ...{ today: 5, names: [day(5), day(20)], kept: [day(20), day(5)] },
  },
  {
    rule: "archives of another node, whose clock is a little ahead: the newest stays",
    retention: { archives: 1 },
    ...{ today: 5, aheadMs: 24 * hourMs, names: [day(6), day(5)], kept: [day(6)] },
  },
  {
    rule: "and one whose clock was wrong makes room all the same",
    retention: { archives: 1 },
    ...{ today: 5, aheadMs: 24 * hourMs - 1, names: [day(6), day(5)], kept: [day(5)] },
  },
  {
    rule: "a clock a little ahead makes nothing older than it is",
    retention: { archives: 9, ageMs: 48 * hourMs },
    ...{ today: 5, aheadMs: 24 * hourMs, names: [day(3), day(4)], kept: [day(4), day(3)] },
  },
];
for (const { rule, retention, today, aheadMs, names, kept } of rows)
  test(rule, async () => {
    for (const name of names) await writeArchive(directory, name, Buffer.from("x"));
    await pruneArchives(directory, retention, Date.UTC(2026, 0, today), aheadMs);
    assert.equal(
      (await listArchives(directory)).map(({ name }) => name),
      kept,
    );
  });

test("a folder and a link of an archive's name are neither counted nor removed", async () => {
  await mkdir(join(directory, day(1)));
  await symlink("/nowhere", join(directory, day(2)));
  for (const n of [3, 4, 5]) await writeArchive(directory, day(n), Buffer.from("x"));
  assert.equal(await pruneArchives(directory, { archives: 1 }, nowMs + 999 * hourMs), [day(4), day(3)]);
  assert.equal(await readdir(directory), [day(1), day(2), day(5)]);
});

test("no folder: nothing to remove", async () => {
  assert.equal(await pruneArchives(join(directory, "missing"), { archives: 1 }, nowMs), []);
});

test.run();
