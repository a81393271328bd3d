import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Channel, type ChannelName, channelsOf, type Placed } from "./graph.ts";

const placed = (version: string, channel: ChannelName = "candidate"): Placed => ({ version, channel });

test("stable, the default, has the versions that are called so, candidate every one, each replacing the one before it there", () => {
  const entry = (version: string, replaces?: string) => ({
    name: `runtime-insights.v${version}`,
    ...(replaces === undefined ? {} : { replaces: `runtime-insights.v${replaces}` }),
    skipRange: `<${version}`,
  });
  const expected: readonly Channel[] = [
    { name: "stable", entries: [entry("0.1.0"), entry("0.2.0", "0.1.0"), entry("0.10.0", "0.2.0")] },
    {
      name: "candidate",
      entries: [
        ...[entry("0.1.0"), entry("0.2.0-rc.1", "0.1.0"), entry("0.2.0", "0.2.0-rc.1")],
        ...[entry("0.9.0", "0.2.0"), entry("0.10.0", "0.9.0")],
      ],
    },
  ];
  const versions = [placed("0.10.0", "stable"), placed("0.2.0", "stable"), placed("0.1.0", "stable")];
  assert.equal(channelsOf([...versions, placed("0.2.0-rc.1"), placed("0.9.0")]), expected);
});

test("no channel without a version", () => {
  assert.equal(
    channelsOf([placed("0.1.0")]).map(({ name }) => name),
    ["candidate"],
  );
  assert.equal(channelsOf([]), []);
});

test.run();
