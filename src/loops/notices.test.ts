import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { EventToWrite } from "../adapters/cluster.ts";
import { createLogger } from "../adapters/telemetry.ts";
import { type Notice, Notices, noticeReasons } from "./notices.ts";

test("docs/conditions.md names the events", () => {
  const text = readFileSync(join(import.meta.dirname, "../../docs/conditions.md"), "utf8");
  for (const reason of [...noticeReasons, "FieldsIgnored", "TookOver"])
    assert.ok(text.includes(`\`${reason}\``), reason);
});

test("a notice is told once, to all whom it is about, and anew when it says something else, is about another object or begins again", async () => {
  const written: string[] = [];
  const cluster = {
    writeEvent: async ({ reason, message, about }: EventToWrite) => {
      written.push(`${reason} ${about.name} ${message}`);
      return { kind: "done" } as const;
    },
  };
  const notices = new Notices({ cluster, log: createLogger({ name: "test", level: "silent" }) });
  const notice = (message: string, uid = "u"): Notice => ({
    ...{ reason: "AnotherOperator", message, nowMs: 0 },
    about: ["a", "b"].map((name) => ({ kind: "Namespace", name, uid })),
  });
  await notices.say(notice("one"));
  await notices.say(notice("one"));
  assert.equal(written.splice(0), ["AnotherOperator a one", "AnotherOperator b one"]);
  await notices.say(notice("two"));
  assert.is(written.splice(0).length, 2);
  await notices.say(notice("two", "made anew"));
  assert.is(written.splice(0).length, 2);
  notices.over("AnotherOperator");
  notices.over("AnotherOperator");
  await notices.say(notice("two"));
  assert.is(written.length, 2);
});

test.run();
