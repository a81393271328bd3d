import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { explain, prefixProblem } from "./push.ts";

for (const prefix of [
  "registry.example",
  "registry.example/team",
  "registry.example:5000/a/b",
  "localhost/team",
  "127.0.0.1:5000",
  "[::1]:5000/team",
  "registry.example.org/some-team/some_thing.x",
])
  test(`a prefix: ${prefix}`, () => assert.is(prefixProblem(prefix), undefined));

const refused: readonly (readonly [string, RegExp])[] = [
  ["", /"" is no registry/],
  ["team", /"team" is no registry/],
  ["team/images", /"team" is no registry/],
  ["https://registry.example/team", /named without https/],
  ["registry.example/team:1.0", /tag and digest are the images' own/],
  ["registry.example/team@sha256:00", /tag and digest are the images' own/],
  ["registry.example/Team", /"Team" cannot be part of a name/],
  ["registry.example/team/", /"" cannot be part of a name/],
];
for (const [prefix, why] of refused)
  test(`no prefix: "${prefix}"`, () => assert.match(prefixProblem(prefix) ?? "", why));

const failures: readonly (readonly [string, string, RegExp])[] = [
  [
    "a login that may not push there",
    "Error: PUT https://registry.example/v2/a/manifests/1: DENIED: requested access to the resource is denied",
    /^registry\.example knows the login, which may not push there.*\n {2}PUT https/,
  ],
  [
    "a name that the registry does not take",
    "Error: POST https://registry.example/v2/a/blobs/uploads/: NAME_UNKNOWN: repository name not known to registry",
    /^registry\.example takes no image of that name/,
  ],
  [
    "a registry that there is not",
    'Error: Get "https://registry.example/v2/": dial tcp: lookup registry.example: no such host',
    /^registry\.example cannot be reached/,
  ],
  ["anything else, in its own words", "first\nError: unexpected EOF", /^unexpected EOF$/],
];
for (const [name, said, expected] of failures)
  test(`explained: ${name}`, () => assert.match(explain("registry.example/a/node:1", said), expected));

const cli = (...args: readonly string[]) =>
  spawnSync(process.execPath, [join(import.meta.dirname, "cli.ts"), ...args], { encoding: "utf8" });

test("--help prints how it is used and builds nothing", () => {
  const { status, stdout, stderr } = cli("--help");
  assert.is(status, 0);
  assert.match(stdout, /^usage: npm run images .*--push PREFIX/);
  assert.is(stderr, "");
});

const misused: readonly (readonly [string, readonly string[], RegExp])[] = [
  ["an option that there is not", ["--pull"], /^Unknown option '--pull'/],
  ["an image that there is not", ["--only", "nodes"], /^there is no image nodes/],
  [
    "a folder and a registry",
    ["--output", "x", "--push", "registry.example/a"],
    /^--output, --context and --push exclude each other/,
  ],
  [
    "Containerfiles and a registry",
    ["--context", "x", "--push", "registry.example/a"],
    /^--output, --context and --push exclude/,
  ],
  [
    "Containerfiles for two architectures",
    ["--context", "x", "--arch", "amd64", "--arch", "arm64"],
    /^--context is for one --arch at a time/,
  ],
  ["a prefix that is none", ["--push", "team"], /^--push team: "team" is no registry/],
];
for (const [name, args, message] of misused) {
  test(`refused: ${name}`, () => {
    const { status, stdout, stderr } = cli(...args);
    assert.is(status, 2);
    assert.is(stdout, "");
    assert.match(stderr, message);
    assert.match(stderr, /^usage: /m);
  });
}

test("--arch that there are no images for: refused with what there can be, nothing built, exit code 1", () => {
  const { status, stdout, stderr } = cli("--arch", "s390x");
  assert.is(status, 1);
  assert.is(stdout, "");
  assert.is(stderr, "--arch s390x: there are no images for it; what there can be is amd64 or arm64\n");
});

test.run();
