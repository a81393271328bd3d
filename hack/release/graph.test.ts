import fc from "fast-check";
import { compare, lt } from "semver";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type ChannelName, channelsOf } from "../bundle/graph.ts";
import { previousOf, type Release, releasesSchema, type Wish, wishProblems, withRelease } from "./graph.ts";

const release = (version: string, channel: ChannelName = "candidate"): Release => ({
  ...{ version, channel, date: "2026-11-21", registry: "localhost", bundle: `sha256:${"a".repeat(64)}` },
});
const released = [release("0.1.0", "stable"), release("0.2.0-rc.1"), release("0.2.0", "stable"), release("0.3.0")];

const wishes: readonly [rule: string, wish: Partial<Wish>, problems: readonly string[]][] = [
  ["a newer version", { version: "0.4.0" }, []],
  ["a first version", { version: "0.1.0", released: [] }, []],
  ["a newer pre-release", { version: "0.4.0-rc.1" }, []],
  ["a released version once more", { version: "0.3.0" }, []],
  ["a released version goes from candidate to stable", { version: "0.3.0", channel: "stable" }, []],
  [
    "a released version does not leave stable",
    { version: "0.2.0" },
    ["0.2.0 is in channel stable already: who installed it from there would lose it"],
  ],
  [
    "a version between two",
    { version: "0.1.1" },
    ["0.1.1 is older than 0.3.0, which is released: choose a newer version"],
  ],
  [
    "a pre-release of a released version",
    { version: "0.3.0-rc.1" },
    ["0.3.0-rc.1 is older than 0.3.0, which is released: choose a newer version"],
  ],
  [
    "a pre-release in stable",
    { version: "0.4.0-rc.1", channel: "stable" },
    ["0.4.0-rc.1 is a pre-release: channel stable is not for it"],
  ],
  ...["1.2", "v1.2.3", "1.2.3+build", "01.2.3", "", "1.2.3 ", "latest"].map(
    (version): [string, Partial<Wish>, string[]] => [
      `no version: "${version}"`,
      { version },
      [`"${version}" is no version: it has the form X.Y.Z or X.Y.Z-NAME, as in 1.4.0 or 1.4.0-rc.1`],
    ],
  ),
];
for (const [rule, wish, problems] of wishes)
  test(rule, () => {
    assert.equal(wishProblems({ version: "0.4.0", channel: "candidate", released, ...wish }), problems);
  });

test("the version before is the newest older one, in whatever channel", () => {
  assert.is(previousOf("0.4.0", released), "0.3.0");
  assert.is(previousOf("0.2.0", released), "0.2.0-rc.1");
  assert.is(previousOf("0.1.0", released), undefined);
});

const versionIn = (name: string) => name.slice("runtime-insights.v".length);
const versions = fc.uniqueArray(
  fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3)).map((parts) => parts.join(".")),
  { minLength: 1, maxLength: 12 },
);
test("whatever was released in whatever order: one head, every other version is replaced once, by a newer one", () => {
  fc.assert(
    fc.property(versions, fc.infiniteStream(fc.constantFrom<ChannelName>("candidate", "stable")), (all, channels) => {
      const graph = all.reduce<readonly Release[]>(
        (before, version) => withRelease(before, release(version, channels.next().value)),
        [],
      );
      releasesSchema.parse({ releases: graph });
      for (const { entries } of channelsOf(graph)) {
        const replaced = entries.flatMap(({ replaces }) => replaces ?? []);
        assert.is(new Set(replaced).size, entries.length - 1);
        assert.not(replaced.includes(entries.at(-1)?.name ?? ""));
        for (const { name, replaces } of entries)
          assert.ok(replaces === undefined || lt(versionIn(replaces), versionIn(name)));
      }
      assert.equal(
        graph.map(({ version }) => version),
        [...all].sort(compare),
      );
    }),
  );
});

test("releasing a version again keeps one entry", () => {
  assert.equal(withRelease(released, release("0.3.0", "stable")).length, released.length);
  assert.is(withRelease(released, release("0.3.0", "stable")).at(-1)?.channel, "stable");
});

for (const [rule, releases] of [
  ["versions out of order", [release("0.2.0"), release("0.1.0")]],
  ["a version twice", [release("0.2.0"), release("0.2.0")]],
  ["no version", [release("0.2")]],
  ["an unknown channel", [{ ...release("0.2.0"), channel: "beta" }]],
  ["a tag for a digest", [{ ...release("0.2.0"), bundle: "0.2.0" }]],
  ["an unknown field", [{ ...release("0.2.0"), extra: 1 }]],
] as const)
  test(`refused in the file: ${rule}`, () => {
    assert.not(releasesSchema.safeParse({ releases }).success);
  });

test.run();
