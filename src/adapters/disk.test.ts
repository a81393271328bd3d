import { execFileSync } from "node:child_process";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { GatherProgress } from "../api/gather.ts";
import { listArchives, pack, pruneArchives, readArchive, sha256, sweepTemporaries, writeArchive } from "./disk.ts";
import { Journal } from "./journal.ts";

let directory = "";
test.before.each(async () => {
  directory = await mkdtemp(join(tmpdir(), "disk-test-"));
});
test.after.each(() => rm(directory, { recursive: true }));

const entry = (name: string, text: string) => ({ name, bytes: new TextEncoder().encode(text) });
const entries = [entry("config/workload_info.json", "{}"), entry("insights-operator/gathers.json", '{"a":1}')];
const atMs = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

test("what is packed can be unpacked by tar, with names, modes, owners and whole seconds", async () => {
  await writeFile(join(directory, "a.tar.gz"), await pack(entries, atMs));
  const listing = execFileSync("tar", ["-tvzf", "a.tar.gz", "--numeric-owner", "--full-time", "--utc"], {
    cwd: directory,
  });
  assert.equal(
    listing
      .toString()
      .trim()
      .split("\n")
      .map((line) => line.replaceAll(/ +/g, " ")),
    [
      "-rw-r----- 0/0 2 2026-01-02 03:04:05 config/workload_info.json",
      "-rw-r----- 0/0 7 2026-01-02 03:04:05 insights-operator/gathers.json",
    ],
  );
  execFileSync("tar", ["-xzf", "a.tar.gz"], { cwd: directory });
  assert.is((await stat(join(directory, "config/workload_info.json"))).size, 2);
});

test("the gzip header holds no name, no time and no system; the tar is ustar; equal input gives equal bytes", async () => {
  const packed = await pack(entries, atMs);
  assert.equal([...packed.subarray(0, 10)], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
  assert.is(gunzipSync(packed).toString("latin1", 257, 265), "ustar\u000000");
  assert.equal(await pack(entries, atMs + 300), packed);
});

test("an archive is written with mode 0640, listed with its checksum, and nothing is left beside it", async () => {
  const bytes = Buffer.from("archive");
  const name = "insights-2026-01-02-030405.tar.gz";
  assert.equal(await writeArchive(directory, name, bytes), {
    kind: "written",
    archive: { name, bytes: 7, sha256: sha256(bytes) },
  });
  assert.equal(await readdir(directory), [name]);
  assert.is((await stat(join(directory, name))).mode & 0o777, 0o640);
  const [listed] = await listArchives(directory);
  assert.ok(listed && Math.abs(listed.modified - Date.now()) < 60_000);
  assert.equal({ ...listed, modified: 0 }, { name, bytes: 7, sha256: sha256(bytes), modified: 0 });
  assert.equal(await readArchive(directory, name), bytes);
});

test("the same second: the first archive stays", async () => {
  const name = "insights-2026-01-02-030405.tar.gz";
  await writeArchive(directory, name, Buffer.from("first"));
  assert.equal(await writeArchive(directory, name, Buffer.from("second")), { kind: "present" });
  assert.is(String(await readArchive(directory, name)), "first");
  assert.equal(await readdir(directory), [name]);
});

test("a folder that cannot be made: the write fails and leaves nothing", async () => {
  await writeFile(join(directory, "file"), "");
  let failed = false;
  await writeArchive(join(directory, "file"), "insights-2026-01-02-030405.tar.gz", Buffer.from("x")).catch(() => {
    failed = true;
  });
  assert.ok(failed);
  assert.equal(await readdir(directory), ["file"]);
});

test("a full disk: the write fails, names no archive and leaves nothing", async () => {
  const full = join(directory, "full");
  execFileSync("mkdir", [full]);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", full]);
  try {
    const problem = await writeArchive(full, "insights-2026-01-02-030405.tar.gz", Buffer.alloc(1_000_000)).catch(
      String,
    );
    assert.match(String(problem), /ENOSPC/);
    assert.equal(await readdir(full), []);
  } finally {
    execFileSync("umount", [full]);
  }
});

test("names that are paths or other files are never read or listed", async () => {
  await writeFile(join(directory, "insights-x.tar.gz"), "");
  await writeFile(join(directory, "inventory.json"), "{}");
  for (const name of [
    "../inventory.json",
    "inventory.json",
    "insights-x.tar.gz",
    "",
    "insights-2026-01-02-030405.tar.gz",
  ])
    assert.is(await readArchive(directory, name), undefined);
  assert.equal(await listArchives(directory), []);
  assert.equal(await listArchives(join(directory, "missing")), []);
});

const second = (n: number, prefix = "") => `${prefix}insights-2026-01-02-0304${String(n).padStart(2, "0")}.tar.gz`;

test("the newest archives are kept; filtered ones are counted apart; other files stay", async () => {
  for (const n of [3, 1, 2, 4]) await writeArchive(directory, second(n), Buffer.from("x"));
  for (const n of [9, 8, 7]) await writeArchive(directory, second(n, "filtered-"), Buffer.from("x"));
  await writeFile(join(directory, "insights-other.txt"), "");
  assert.equal(await pruneArchives(directory, 2), [second(7, "filtered-"), second(2), second(1)]);
  assert.equal(
    (await listArchives(directory)).map(({ name }) => name),
    [...[second(9, "filtered-"), second(8, "filtered-"), second(4), second(3)]],
  );
  assert.ok((await readdir(directory)).includes("insights-other.txt"));
});

test("what a crash left half written is swept, archives are not", async () => {
  await writeFile(join(directory, ".writing-1"), "half");
  await writeArchive(directory, second(1), Buffer.from("x"));
  await sweepTemporaries(directory);
  assert.equal(await readdir(directory), [second(1)]);
});

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

test.run();
