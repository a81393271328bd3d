import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Released, readChangelog, releaseChangelog, writeChangelog } from "./changelog.ts";

const intro = "# Changelog\n\nFor administrators.";
const older = "## 0.1.0 (2026-01-02)\n\nFirst version.\n\n- One\n  in two lines.";
const file = (...parts: readonly string[]) => `${[intro, ...parts].join("\n\n")}\n`;
const today = "2026-11-21";
const released = (notes: string, text: string, date = today): Released => ({ kind: "released", text, notes, date });
const refused = (problem: string): Released => ({ kind: "refused", problem });
const advice = 'write what changes for administrators below a topmost heading "## 0.2.0 (not released)"';

const rows: readonly [rule: string, text: string, expected: Released][] = [
  [
    "the section that is not released gets the day",
    file("## 0.2.0 (not released)\n\n- News", older),
    released("- News", file("## 0.2.0 (2026-11-21)\n\n- News", older)),
  ],
  [
    "the section takes the version that is released",
    file("## 0.1.1 (not released)\n\n- News", older),
    released("- News", file("## 0.2.0 (2026-11-21)\n\n- News", older)),
  ],
  [
    "what has its date keeps it",
    file("## 0.2.0 (2026-10-01)\n\n- News", older),
    released("- News", file("## 0.2.0 (2026-10-01)\n\n- News", older), "2026-10-01"),
  ],
  [
    "a first version needs no older one",
    file("## 0.2.0 (not released)\n\nx"),
    released("x", file("## 0.2.0 (2026-11-21)\n\nx")),
  ],
  ["no section", file(), refused(`CHANGELOG.md says nothing of 0.2.0: ${advice}`)],
  [
    "the topmost section is of a released version",
    file(older),
    refused(`CHANGELOG.md says nothing of 0.2.0: ${advice}`),
  ],
  [
    "an empty section",
    file("## 0.2.0 (not released)\n\n \n", older),
    refused(`CHANGELOG.md's section of 0.2.0 is empty: ${advice}`),
  ],
  [
    "the version has an older section",
    file("## 0.3.0 (not released)\n\n- News", "## 0.2.0 (2026-01-02)\n\nx"),
    refused("CHANGELOG.md has an older section of 0.2.0 already"),
  ],
  [
    "two sections that are not released",
    file("## 0.2.0 (not released)\n\nx", "## 0.1.0 (not released)\n\nx"),
    refused("CHANGELOG.md line 9: only the topmost section can be not released"),
  ],
  [
    "a heading of another form",
    file("## 0.2.0\n\nx"),
    refused('CHANGELOG.md line 5: "## 0.2.0" is not "## X.Y.Z (YYYY-MM-DD)" or "## X.Y.Z (not released)"'),
  ],
  [
    "a heading of no version",
    file("## v0.2 (not released)\n\nx"),
    refused(
      'CHANGELOG.md line 5: "## v0.2 (not released)" is not "## X.Y.Z (YYYY-MM-DD)" or "## X.Y.Z (not released)"',
    ),
  ],
];

for (const [rule, text, expected] of rows)
  test(rule, () => {
    assert.equal(releaseChangelog(text, "0.2.0", today), expected);
  });

test("releasing the same version again, on another day, changes nothing", () => {
  const once = releaseChangelog(file("## 0.2.0 (not released)\n\n- News", older), "0.2.0", today);
  assert.is(once.kind, "released");
  if (once.kind === "released") assert.equal(releaseChangelog(once.text, "0.2.0", "2027-01-01"), once);
});

test("what is read can be written", () => {
  const text = file("## 0.2.0 (not released)\n\n- News", older);
  const changelog = readChangelog(text);
  assert.is(changelog.kind, "read");
  if (changelog.kind === "read") assert.is(writeChangelog(changelog.intro, changelog.sections), text);
});

test.run();
