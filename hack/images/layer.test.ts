import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text as textOf } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import { extract } from "tar-stream";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { complete, copy, type Entry, entriesBelow, folder, hardlink, symlink, text } from "./entries.ts";
import { layerOf } from "./layer.ts";
import { useOwnCache } from "./own-cache.ts";

const dir = useOwnCache(test);

interface Unpacked {
  readonly name: string;
  readonly type: string;
  readonly mode: number;
  readonly owner: string;
  readonly mtimeMs: number;
  readonly link: string;
  readonly content: string;
}

async function unpack(file: string): Promise<Unpacked[]> {
  const tar = extract();
  tar.end(gunzipSync(readFileSync(file)));
  const found: Unpacked[] = [];
  for await (const entry of tar) {
    const { name, type, mode, uid, gid, mtime, linkname } = entry.header;
    found.push({
      name,
      type: type ?? "",
      mode: mode ?? 0,
      owner: `${uid}:${gid}`,
      mtimeMs: mtime?.getTime() ?? -1,
      link: linkname ?? "",
      content: await textOf(entry),
    });
  }
  return found;
}

const fresh = (): void => rmSync(join(dir, "cache"), { recursive: true, force: true });

test("the same entries in another order are the same bytes, packed twice", async () => {
  const entries: Entry[] = [text("b/two", "2"), text("a", "1"), symlink("c", "a"), folder("b/empty")];
  const first = await layerOf(entries);
  const bytes = readFileSync(first.file);
  fresh();
  const second = await layerOf([...entries].reverse());
  assert.is(second.digest, first.digest);
  assert.is(second.diffId, first.diffId);
  assert.ok(readFileSync(second.file).equals(bytes));
});

test("content, mode, link and path each make another layer; what is unchanged is not packed again", async () => {
  const base = await layerOf([text("a", "1"), symlink("b", "a")]);
  const others = [
    [text("a", "2"), symlink("b", "a")],
    [text("a", "1", 0o600), symlink("b", "a")],
    [text("a", "1"), symlink("b", "c")],
    [text("a", "1"), symlink("c", "a")],
  ];
  const digests = await Promise.all(others.map(async (entries) => (await layerOf(entries)).digest));
  assert.is(new Set([base.digest, ...digests]).size, 5);
  writeFileSync(base.file, "kept as it is");
  assert.is(readFileSync((await layerOf([symlink("b", "a"), text("a", "1")])).file, "utf8"), "kept as it is");
});

test("everything belongs to root and is as old as the epoch; folders are made and come before their content", async () => {
  const { file } = await layerOf([text("x/y/z", "deep", 0o640), folder("tmp", 0o1777)]);
  const root = { owner: "0:0", mtimeMs: 0, link: "", content: "" };
  assert.equal(await unpack(file), [
    { ...root, name: "tmp/", type: "directory", mode: 0o1777 },
    { ...root, name: "x/", type: "directory", mode: 0o755 },
    { ...root, name: "x/y/", type: "directory", mode: 0o755 },
    { ...root, name: "x/y/z", type: "file", mode: 0o640, content: "deep" },
  ]);
});

test("long names, long links, names beyond ASCII, empty files and second names come out as they went in", async () => {
  const long = `${"folder/".repeat(30)}${"name".repeat(30)}`;
  const { file } = await layerOf([
    hardlink("a", "m"),
    text("m", "one file", 0o755),
    text(long, "far down"),
    symlink("link", `/${long}`),
    text("Z\u00fcrich/\u00e9", ""),
  ]);
  const found = new Map((await unpack(file)).map((entry) => [entry.name, entry]));
  assert.is(found.get(long)?.content, "far down");
  assert.is(found.get("link")?.link, `/${long}`);
  assert.is(found.get("Z\u00fcrich/\u00e9")?.content, "");
  assert.equal([found.get("a")?.type, found.get("a")?.link, found.get("a")?.mode], ["link", "m", 0o755]);
  assert.is([...found.keys()].at(-1), "a");
});

const refused: readonly (readonly [string, readonly Entry[]])[] = [
  ["an absolute path", [text("/etc/passwd", "")]],
  ["a path that leaves the root", [text("a/../../b", "")]],
  ["a path that is not in its shortest form", [text("a//b", "")]],
  ["an empty path", [text("", "")]],
  ["a whiteout", [text("etc/.wh.passwd", "")]],
  ["a whiteout folder", [text(".wh..wh.opq/a", "")]],
  ["two entries of one path", [text("a", "1"), text("a", "2")]],
  ["a file as folder", [text("a", ""), text("a/b", "")]],
  ["a link as folder", [symlink("a", "c"), text("a/b", "")]],
  ["a second name of nothing", [hardlink("a", "b")]],
];
for (const [name, entries] of refused)
  test(`refused: ${name}`, () => assert.throws(() => complete(entries), /layer entry/));

test("a folder's files and links are taken with their modes, wanted ones only, without set-user-ID bits", async () => {
  const root = join(dir, "root");
  mkdirSync(join(root, "bin"), { recursive: true });
  writeFileSync(join(root, "bin/tool"), "#!");
  chmodSync(join(root, "bin/tool"), 0o4755);
  writeFileSync(join(root, "readme"), "");
  symlinkSync("bin/tool", join(root, "run"));
  symlinkSync("nowhere", join(root, "dangling"));
  assert.equal(
    complete(entriesBelow(root, (path) => path !== "readme")),
    complete([
      copy("bin/tool", join(root, "bin/tool"), 0o755),
      symlink("run", "bin/tool"),
      symlink("dangling", "nowhere"),
    ]),
  );
});

test.run();
