import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { GatherProgress } from "../api/gather.ts";
import { Journal } from "./journal.ts";

let directory = "";
test.before.each(async () => {
  directory = await mkdtemp(join(tmpdir(), "journal-test-"));
});
test.after.each(() => rm(directory, { recursive: true }));

const progress = (id: string, overrides: Partial<GatherProgress> = {}): GatherProgress => ({
  ...{ id, phase: "Running", stage: "ListingPods", startedAtMs: 1, finishedAtMs: null, outcome: null },
  ...overrides,
});

test("after a restart a start marker without outcome is Interrupted, and stays so", async () => {
  const journal = await Journal.open(directory);
  await journal.write(progress("a"));
  await journal.write(progress("../b", { phase: "Finished", stage: "Done", finishedAtMs: 2 }));
  for (let restart = 0; restart < 2; restart += 1) {
    const next = await Journal.open(directory);
    assert.is(next.find("a")?.phase, "Interrupted");
    assert.is(next.find("../b")?.phase, "Finished");
    assert.is(next.find("c"), undefined);
  }
});

test("on a full disk a gatherer still starts and knows what was interrupted", async () => {
  const full = join(directory, "full");
  execFileSync("mkdir", [full]);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", full]);
  try {
    await (await Journal.open(full)).write(progress("a"));
    await writeFile(join(full, "filler"), Buffer.alloc(64_000)).catch(() => {});
    const journal = await Journal.open(full);
    assert.is(journal.find("a")?.phase, "Interrupted");
    assert.match(String(await journal.write(progress("b")).catch(String)), /ENOSPC/);
  } finally {
    execFileSync("umount", [full]);
  }
});

test("a broken record is removed and does not stop the others", async () => {
  const journal = await Journal.open(directory);
  await journal.write(progress("a"));
  await writeFile(join(directory, "gathers", "broken.json"), '{"id":"b"');
  assert.is((await Journal.open(directory)).find("a")?.phase, "Interrupted");
  assert.is((await readdir(join(directory, "gathers"))).length, 1);
});

test("the newest 20 records are kept", async () => {
  const journal = await Journal.open(directory);
  for (let n = 1; n <= 22; n += 1) await journal.write(progress(`g${n}`, { startedAtMs: n }));
  assert.is(journal.find("g2"), undefined);
  assert.is((await Journal.open(directory)).find("g3")?.startedAtMs, 3);
  assert.is((await readdir(join(directory, "gathers"))).length, 20);
});

test("the inventory is replaced whole; without one there is none", async () => {
  const journal = await Journal.open(directory);
  assert.is(await journal.readInventory(), undefined);
  for (const gather of ["a", "b"]) await journal.writeInventory({ gather, gatheredAtMs: 1, rows: [] });
  assert.equal(await journal.readInventory(), { gather: "b", gatheredAtMs: 1, rows: [] });
});

test("a clock that was ahead: the newest record is kept, whatever times the others have", async () => {
  const journal = await Journal.open(directory);
  for (let n = 1; n <= 20; n += 1) await journal.write(progress(`future-${n}`, { startedAtMs: 1_000_000 + n }));
  await journal.write(progress("now", { startedAtMs: 5 }));
  await journal.write(progress("now", { startedAtMs: 5, phase: "Finished", stage: "Done", finishedAtMs: 4 }));
  assert.is(journal.find("now")?.phase, "Finished");
  assert.is(journal.find("future-1"), undefined);
  assert.is((await Journal.open(directory)).find("now")?.phase, "Finished");
});

test("the folder is deleted while the process runs: records are written anew", async () => {
  const journal = await Journal.open(directory);
  for (let n = 1; n <= 20; n += 1) await journal.write(progress(`g${n}`, { startedAtMs: n }));
  await rm(join(directory, "gathers"), { recursive: true });
  await journal.write(progress("g21", { startedAtMs: 21 }));
  assert.is(journal.find("g21")?.phase, "Running");
  assert.is((await Journal.open(directory)).find("g21")?.phase, "Interrupted");
});

test("folders, links and records under another's name in the folder do no harm", async () => {
  const journal = await Journal.open(directory);
  await journal.write(progress("a"));
  const records = join(directory, "gathers");
  await mkdir(join(records, "folder.json"));
  await symlink("/etc/passwd", join(records, "link.json"));
  await mkdir(join(records, ".writing-folder"));
  await writeFile(join(records, "renamed.json"), JSON.stringify(progress("b")));
  const next = await Journal.open(directory);
  assert.equal(next.problems, []);
  assert.equal([next.find("a")?.phase, next.find("b")], ["Interrupted", undefined]);
});

test("a volume that can only be read, or is no folder: the gatherer starts, says so, and a marker fails", async () => {
  const full = join(directory, "full");
  await mkdir(full);
  await writeFile(join(directory, "file"), "");
  execFileSync("mount", ["-t", "tmpfs", "-o", "ro", "tmpfs", full]);
  try {
    for (const [path, problem] of [
      [full, /EROFS/],
      [join(directory, "file"), /EEXIST|ENOTDIR/],
    ] as const) {
      const journal = await Journal.open(path);
      assert.match(journal.problems.join(), problem);
      assert.match(String(await journal.write(progress("a")).catch(String)), problem);
    }
  } finally {
    execFileSync("umount", [full]);
  }
});

test("records left on a volume that can only be read are known all the same", async () => {
  await (await Journal.open(directory)).write(progress("a"));
  await writeFile(join(directory, "gathers", ".writing-1"), "half");
  execFileSync("mount", ["--bind", "-o", "ro", directory, directory]);
  try {
    assert.is((await Journal.open(directory)).find("a")?.phase, "Interrupted");
  } finally {
    execFileSync("umount", [directory]);
  }
});

test.run();
