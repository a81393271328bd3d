/** What the operator makes of an API server's answers, by a scripted one. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { operands } from "../core/operands.ts";
import type { Step } from "../core/plan.ts";
import { type ScriptedAnswer, scriptedApi } from "./api.fixture.ts";
import { Cluster } from "./cluster.ts";

const status = (code: number): ScriptedAnswer => ({ status: code, body: { kind: "Status", message: "so it is" } });
const [operand] = operands;
if (operand === undefined) throw new Error("there is no operand");
const secret: ScriptedAnswer = {
  body: { apiVersion: "v1", kind: operand.kind, metadata: { name: operand.name, namespace: "ns" } },
};

/** The answers are given in their order, the last one for good. */
async function withAnswers<T>(
  answers: readonly (ScriptedAnswer | "cut off")[],
  ask: (cluster: Cluster) => Promise<T>,
): Promise<{ readonly result: T; readonly requests: number }> {
  const api = await scriptedApi(() => answers[Math.min(api.requests.length, answers.length) - 1]);
  try {
    const result = await ask(new Cluster(api.connection, "ns", { againMs: 1 }));
    return { result, requests: api.requests.length };
  } finally {
    await api.close();
  }
}

const reads: readonly {
  readonly rule: string;
  readonly answers: readonly (ScriptedAnswer | "cut off")[];
  readonly kind: string;
  readonly requests: number;
}[] = [
  { rule: "an object that is there is read once", answers: [secret], kind: "present", requests: 1 },
  { rule: "one that is not there, too", answers: [status(404)], kind: "absent", requests: 1 },
  { rule: "a server error: once more", answers: [status(503), secret], kind: "present", requests: 2 },
  { rule: "a connection that breaks: once more", answers: ["cut off", status(404)], kind: "absent", requests: 2 },
  { rule: "what fails twice is unreadable", answers: [status(403)], kind: "unreadable", requests: 2 },
];
for (const { rule, answers, kind, requests } of reads)
  test(`reading: ${rule}`, async () => {
    const read = await withAnswers(answers, (cluster) => cluster.operand(operand));
    assert.equal([read.result.kind, read.requests], [kind, requests]);
  });

const inputs: readonly (readonly [rule: string, answer: ScriptedAnswer, expected: unknown])[] = [
  ["a class that is there is named", secret, { kind: "seen", value: "openshift-user-critical" }],
  ["one that is not there is none", status(404), { kind: "seen", value: undefined }],
  [
    "what may not be read is told",
    status(403),
    {
      kind: "unread",
      object: { kind: "PriorityClass", name: "openshift-user-critical" },
      message: "403 so it is",
    },
  ],
];
for (const [rule, answer, expected] of inputs)
  test(`the priority class: ${rule}`, async () => {
    assert.equal((await withAnswers([answer], (cluster) => cluster.priorityClass())).result, expected);
  });

test("an answer that makes no sense is unread, not the end of a run", async () => {
  const { result } = await withAnswers([{ body: { metadata: {} } }], (cluster) => cluster.ownNamespace());
  assert.is(result.kind, "unread");
});

const deletion: Step = { action: "delete", operand, uid: "u", resourceVersion: "7", propagation: "Background" };
const deletions: readonly (readonly [rule: string, answer: ScriptedAnswer, kind: string])[] = [
  ["done", { body: { kind: "Status", status: "Success" } }, "done"],
  ["what is gone already is done", status(404), "done"],
  ["what has changed meanwhile is looked at again", status(409), "outdated"],
  ["what may not be deleted has failed", status(403), "failed"],
];
for (const [rule, answer, kind] of deletions)
  test(`deleting: ${rule}`, async () => {
    const { result } = await withAnswers([answer], (cluster) => cluster.carryOut(deletion));
    assert.is(result.kind, kind);
  });

test.run();
