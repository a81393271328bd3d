import { test } from "uvu";
import * as assert from "uvu/assert";
import { distributionOf } from "./distribution.ts";

const rows = [
  [
    "Debian",
    'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nVERSION="12 (bookworm)"\nID=debian\n',
    "debian-12",
  ],
  ["Alpine", "ID=alpine\nVERSION_ID=3.22.1\n", "alpine-3.22.1"],
  ["a Debian that is not released", "ID=debian\nVERSION_CODENAME=forky\n", "debian-unknown"],
  ["nothing said", "", "linux-unknown"],
] as const;
for (const [name, release, distribution] of rows)
  test(`${name}: ${distribution}`, () => assert.is(distributionOf(release), distribution));

test.run();
