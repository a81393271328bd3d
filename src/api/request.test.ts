import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodeRequest } from "./request.ts";

const time = "2026-01-01T00:00:00Z";
const metadata = { name: "a", uid: "u", resourceVersion: "1", creationTimestamp: time };
const counts = {
  ...{ pods: 1, containers: 1, shapes: 1 },
  ...{ nodesAsked: 1, nodesAnswered: 1, nodesFailed: 0, nodesSkipped: 0 },
};
const ended = { type: "Progressing", status: "False", reason: "Succeeded", message: "", lastTransitionTime: time };
const whole = { conditions: [ended], startTime: time, finishTime: time, counts };

/** What a newer operator wrote, read by this one. */
const statuses: readonly (readonly [rule: string, status: unknown, expected: object])[] = [
  ["as this version writes it", whole, whole],
  ["none", undefined, {}],
  ["a field that this version does not know", { ...whole, telepathy: 1 }, whole],
  ["a count that this version does not know", { ...whole, counts: { ...counts, thoughts: 3 } }, whole],
  [
    "a reason that this version does not know: the failures are left out, the rest stays",
    { ...whole, failures: [{ node: "n", reason: "Unwilling", message: "" }] },
    whole,
  ],
  ["no object", "ended", {}],
];
for (const [rule, status, expected] of statuses)
  test(`the status of a RuntimeGather: ${rule}`, () =>
    assert.equal(decodeRequest({ metadata, status }).status, expected));

const specs: readonly (readonly [rule: string, spec: unknown, problem: RegExp | undefined])[] = [
  ["none", undefined, undefined],
  ["a field that this version does not know", { trigger: "Requested", telepathy: 1 }, undefined],
  ["a word that this version does not know", { runtimeInfo: "Guessed" }, /^spec\.runtimeInfo: .*"Enabled"/],
  ["no object", "now", /^spec/],
];
for (const [rule, spec, problem] of specs)
  test(`the spec of a RuntimeGather: ${rule}`, () => {
    const { specProblem, spec: decoded } = decodeRequest({ metadata, spec });
    assert.is(decoded.trigger, "Requested");
    if (problem === undefined) assert.is(specProblem, undefined);
    else assert.match(specProblem ?? "", problem);
  });

test.run();
