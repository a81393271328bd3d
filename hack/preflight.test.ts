import { test } from "uvu";
import * as assert from "uvu/assert";
import { lacksOf, type Seen } from "./preflight.ts";

const gigabyte = 1024 ** 3;
const fine: Seen = {
  go: "go version go1.26.1 linux/amd64",
  cargo: true,
  free: { "/cache": 100 * gigabyte },
  root: true,
  missing: [],
  namespaces: "",
};
const cluster = { need: "cluster", rust: true } as const;

const rows: readonly [string, Partial<Seen>, Parameters<typeof lacksOf>[1], RegExp | undefined][] = [
  ["everything there: no word", {}, cluster, undefined],
  ["no Go", { go: "" }, cluster, /^Go is missing: install Go 1\.26 or newer/],
  ["a Go too old for one of our tools", { go: "go version go1.25.4 linux/amd64" }, cluster, /^Go 1\.25 is too old/],
  ["Debian's Go", { go: "go version go1.19.8 linux/amd64" }, cluster, /^Go 1\.19 is too old/],
  ["a Go of unknown version may try", { go: "go version devel" }, cluster, undefined],
  ["no cargo", { cargo: false }, cluster, /^cargo is missing: install Rust/],
  ["no cargo, and none needed", { cargo: false }, { need: "cluster", rust: false }, undefined],
  ["disk nearly full", { free: { "/cache": 2 * gigabyte } }, cluster, /^only 2\.0 GB are free where \/cache lies/],
  ["not root", { root: false }, cluster, /only root can make: run the command again with sudo$/],
  ["not root, and none needed", { root: false }, { need: "api", rust: true }, undefined],
  ["packages", { missing: ["runc", "iproute2"] }, cluster, /: apt-get install .* runc iproute2$/],
  ["packages, and none needed", { missing: ["runc"] }, { need: "api", rust: true }, undefined],
  ["namespaces forbidden", { namespaces: "unshare failed" }, cluster, /^nodes cannot be made here \(unshare failed\)/],
];
for (const [name, seen, need, sentence] of rows) {
  test(name, () => {
    const lacks = lacksOf({ ...fine, ...seen }, need);
    assert.is(lacks.length, sentence === undefined ? 0 : 1, lacks.join("\n"));
    if (sentence !== undefined) assert.match(lacks[0] ?? "", sentence);
  });
}

test("every lack is said at once", () => {
  const seen = { ...fine, go: "", cargo: false, free: { "/a": 0, "/b": 0 }, missing: ["runc"] };
  assert.is(lacksOf(seen, cluster).length, 5);
});

test.run();
