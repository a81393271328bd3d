import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { pack, writeArchive } from "./disk.ts";
import { unpack, writePlainFiles } from "./plain-files.ts";

const directory = await mkdtemp(join(tmpdir(), "plain-files-test-"));
test.after(() => rm(directory, { recursive: true }));

const known = ["config/a.json", "config/b.json", "c/d.json"];
const write = async (name: string, files: Readonly<Record<string, string>>) => {
  const entries = Object.entries(files).map(([path, text]) => ({ name: path, bytes: Buffer.from(text) }));
  await writeArchive(directory, name, await pack(entries, 0));
  return writePlainFiles(directory, name, known);
};

test("each entry becomes a file with its bytes; one that a later archive lacks goes", async () => {
  const files = { "config/a.json": '{"a":"\u00e4\u2028\ud83d\ude00"}', "config/b.json": "{}", "c/d.json": "" };
  assert.equal(await write("insights-2026-01-02-030405.tar.gz", files), Object.keys(files));
  for (const [name, text] of Object.entries(files)) assert.is(await readFile(join(directory, name), "utf8"), text);

  assert.equal(await write("insights-2026-01-02-030406.tar.gz", { "config/a.json": "{}" }), ["config/a.json"]);
  assert.equal(await readdir(join(directory, "config")), ["a.json"]);
  assert.equal(await readdir(join(directory, "c")), []);
  assert.is(await readFile(join(directory, "config/a.json"), "utf8"), "{}");
});

test("an archive that is none is an error", async () => {
  assert.is(await unpack(Buffer.from("no archive")).then(String, () => "error"), "error");
  const packed = await pack([{ name: "a", bytes: Buffer.alloc(10_000, "x") }], 0);
  assert.is(await unpack(packed.subarray(0, packed.length - 12)).then(String, () => "error"), "error");
});

test.run();
