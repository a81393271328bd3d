import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { listArchives, pack, readArchive, sha256, sweepTemporaries, writeArchive } from "./disk.ts";

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

const name = "insights-2026-01-02-030405.tar.gz";

test("what a crash left half written is swept, archives are not", async () => {
  await writeFile(join(directory, ".writing-1"), "half");
  await writeArchive(directory, name, Buffer.from("x"));
  await sweepTemporaries(directory);
  assert.equal(await readdir(directory), [name]);
});

test("a folder, a link or a pipe of an archive's name is none: it is neither listed nor read, and nothing waits for it", async () => {
  const named = (n: number) => `insights-2026-01-02-03040${n}.tar.gz`;
  await writeArchive(directory, named(1), Buffer.from("x"));
  await writeFile(join(directory, "secret"), "secret");
  await mkdir(join(directory, named(2)));
  await symlink(join(directory, "secret"), join(directory, named(3)));
  await symlink(join(directory, "missing"), join(directory, named(4)));
  execFileSync("mkfifo", [join(directory, named(5))]);
  assert.equal(
    (await listArchives(directory)).map((archive) => archive.name),
    [named(1)],
  );
  for (const n of [2, 3, 4, 5]) assert.is(await readArchive(directory, named(n)), undefined);
});

test("a folder or a link in a name's place is not replaced by an archive", async () => {
  await symlink(join(directory, "elsewhere"), join(directory, name));
  assert.equal(await writeArchive(directory, name, Buffer.from("x")), { kind: "present" });
  assert.equal(await readdir(directory), [name]);
});

test("a volume that can only be read: the write fails, and what is there can be read", async () => {
  await writeArchive(directory, name, Buffer.from("x"));
  execFileSync("mount", ["--bind", "-o", "ro", directory, directory]);
  try {
    const next = "insights-2026-01-02-030406.tar.gz";
    assert.match(String(await writeArchive(directory, next, Buffer.from("y")).catch(String)), /EROFS/);
    assert.is(String(await readArchive(directory, name)), "x");
  } finally {
    execFileSync("umount", [directory]);
  }
});

test("a folder that was deleted is made again", async () => {
  const gone = join(directory, "gone");
  await writeArchive(gone, name, Buffer.from("x"));
  await rm(gone, { recursive: true });
  assert.equal(await listArchives(gone), []);
  assert.is((await writeArchive(gone, name, Buffer.from("y"))).kind, "written");
  assert.equal(await readdir(gone), [name]);
});

test("temporaries that cannot be removed do not stop a sweep", async () => {
  await mkdir(join(directory, ".writing-0"));
  await writeFile(join(directory, ".writing-1"), "half");
  await sweepTemporaries(directory);
  assert.equal(await readdir(directory), [".writing-0"]);
});

test.run();
