/** docs/conditions.md names every reason that the code can give, and no other. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { conditionReasons, conditionTypes } from "./conditions.ts";
import { endReasons, phases } from "./requests.ts";

const text = readFileSync(join(import.meta.dirname, "../../docs/conditions.md"), "utf8");

/** First cells of the table whose header begins with that word, after that heading. */
function cells(heading: string, header: string): readonly string[] {
  const section = text.split(/^## /m).find((part) => part.startsWith(heading)) ?? "";
  const table = section.split(/\n\n/).find((part) => part.startsWith(`| ${header} `)) ?? "";
  return [...table.matchAll(/^\| `([A-Za-z]+)` \|/gm)].map(([, word]) => word ?? "").sort();
}

const tables: readonly {
  readonly rule: string;
  readonly documented: readonly string[];
  readonly coded: readonly string[];
}[] = [
  {
    rule: "condition types of the config",
    documented: cells("InsightsRuntimeExtractor", "type"),
    coded: conditionTypes,
  },
  { rule: "reasons of the config", documented: cells("InsightsRuntimeExtractor", "reason"), coded: conditionReasons },
  { rule: "phases of a RuntimeGather", documented: cells("RuntimeGather", "phase"), coded: phases },
  {
    rule: "reasons of a RuntimeGather",
    documented: cells("RuntimeGather", "reason"),
    coded: [...endReasons, "NotFinished"],
  },
];
for (const { rule, documented, coded } of tables)
  test(`the ${rule} are documented`, () => assert.equal(documented, [...coded].sort()));

test.run();
