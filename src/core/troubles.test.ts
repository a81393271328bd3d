import { test } from "uvu";
import * as assert from "uvu/assert";
import { timeText } from "./time.ts";
import { type Problem, type TroubleReason, type Troubles, type WeighInput, weigh } from "./troubles.ts";

const nowMs = Date.UTC(2026, 0, 2);
const minuteMs = 60_000;
const ago = (minutes: number) => timeText(nowMs - minutes * minuteMs);
const problem = (reason: TroubleReason, changes: Partial<Problem> = {}): Problem => ({
  reason,
  message: "m",
  ...changes,
});
const input = (changes: Partial<WeighInput>): WeighInput => ({
  ...{ nowMs, problems: [], known: [], said: undefined, isProgress: false },
  ...changes,
});

const rows: readonly {
  readonly rule: string;
  readonly input: WeighInput;
  readonly lasting: readonly TroubleReason[];
  readonly troubles: Troubles;
  readonly afterMs: number | undefined;
}[] = [
  { rule: "no problem", input: input({}), lasting: [], troubles: [], afterMs: undefined },
  {
    rule: "a new one is noted, and has its grace",
    input: input({ problems: [problem("ExtractorNotReady")] }),
    ...{ lasting: [], troubles: [{ reason: "ExtractorNotReady", since: ago(0) }], afterMs: 5 * minuteMs },
  },
  {
    rule: "one without grace lasts at once",
    input: input({ problems: [problem("OperandConflict")] }),
    ...{ lasting: ["OperandConflict"], troubles: [{ reason: "OperandConflict", since: ago(0) }], afterMs: undefined },
  },
  {
    rule: "one that began before it was looked at",
    input: input({ problems: [problem("GathererUnreachable", { sinceMs: nowMs - minuteMs })] }),
    ...{ lasting: [], troubles: [{ reason: "GathererUnreachable", since: ago(1) }], afterMs: minuteMs },
  },
  {
    rule: "what the status knows is not forgotten by a restart",
    input: input({ problems: [problem("ExtractorNotReady")], known: [{ reason: "ExtractorNotReady", since: ago(4) }] }),
    ...{ lasting: [], troubles: [{ reason: "ExtractorNotReady", since: ago(4) }], afterMs: minuteMs },
  },
  {
    rule: "the grace is over",
    input: input({ problems: [problem("ExtractorNotReady")], known: [{ reason: "ExtractorNotReady", since: ago(5) }] }),
    ...{
      lasting: ["ExtractorNotReady"],
      troubles: [{ reason: "ExtractorNotReady", since: ago(5) }],
      afterMs: undefined,
    },
  },
  {
    rule: "progress begins it anew",
    input: input({
      ...{ problems: [problem("ExtractorNotReady")], known: [{ reason: "ExtractorNotReady", since: ago(5) }] },
      isProgress: true,
    }),
    ...{ lasting: [], troubles: [{ reason: "ExtractorNotReady", since: ago(0) }], afterMs: 5 * minuteMs },
  },
  {
    rule: "progress of the nodes is none of the gatherer",
    input: input({
      ...{ problems: [problem("GathererNotReady")], known: [{ reason: "GathererNotReady", since: ago(5) }] },
      isProgress: true,
    }),
    ...{ lasting: ["GathererNotReady"], troubles: [{ reason: "GathererNotReady", since: ago(5) }], afterMs: undefined },
  },
  {
    rule: "progress does not take back what was said: a node that joins does not heal another",
    input: input({
      ...{ problems: [problem("ExtractorNotReady")], known: [{ reason: "ExtractorNotReady", since: ago(9) }] },
      ...{ said: "ExtractorNotReady", isProgress: true },
    }),
    ...{
      lasting: ["ExtractorNotReady"],
      troubles: [{ reason: "ExtractorNotReady", since: ago(0) }],
      afterMs: undefined,
    },
  },
  {
    rule: "two sides with the same trouble note it once",
    input: input({ problems: [problem("OperandFailed"), problem("OperandFailed")] }),
    ...{ lasting: [], troubles: [{ reason: "OperandFailed", since: ago(0) }], afterMs: 2 * minuteMs },
  },
  {
    rule: "pods that are ready again are watched for a minute",
    input: input({ known: [{ reason: "ExtractorNotReady", since: ago(3) }] }),
    ...{ lasting: [], troubles: [{ reason: "ExtractorNotReady", since: ago(3), until: ago(0) }], afterMs: minuteMs },
  },
  {
    rule: "and so long Degraded stays",
    input: input({ known: [{ reason: "ExtractorNotReady", since: ago(9), until: ago(0) }], said: "ExtractorNotReady" }),
    lasting: ["ExtractorNotReady"],
    troubles: [{ reason: "ExtractorNotReady", since: ago(9), until: ago(0) }],
    afterMs: minuteMs,
  },
  {
    rule: "one that crashes again within that minute has not begun anew",
    input: input({
      problems: [problem("ExtractorNotReady")],
      known: [{ reason: "ExtractorNotReady", since: ago(5), until: ago(0.5) }],
    }),
    ...{
      lasting: ["ExtractorNotReady"],
      troubles: [{ reason: "ExtractorNotReady", since: ago(5) }],
      afterMs: undefined,
    },
  },
  {
    rule: "after the minute it is over",
    input: input({ known: [{ reason: "ExtractorNotReady", since: ago(9), until: ago(1) }], said: "ExtractorNotReady" }),
    ...{ lasting: [], troubles: [], afterMs: undefined },
  },
  {
    rule: "what does not come and go is over at once",
    input: input({ known: [{ reason: "OperandFailed", since: ago(9) }], said: "OperandFailed" }),
    ...{ lasting: [], troubles: [], afterMs: undefined },
  },
  {
    rule: "a clock that was set back does not lengthen a grace time",
    input: input({ problems: [problem("OperandFailed")], known: [{ reason: "OperandFailed", since: ago(-60) }] }),
    ...{ lasting: [], troubles: [{ reason: "OperandFailed", since: ago(0) }], afterMs: 2 * minuteMs },
  },
  {
    rule: "nor the watch for a minute",
    input: input({ known: [{ reason: "ExtractorNotReady", since: ago(-60), until: ago(-60) }] }),
    ...{ lasting: [], troubles: [{ reason: "ExtractorNotReady", since: ago(-60), until: ago(0) }], afterMs: minuteMs },
  },
  {
    rule: "a reason that an operator of another version wrote is dropped",
    input: input({ known: [{ reason: "Else", since: ago(1) }] }),
    ...{ lasting: [], troubles: [], afterMs: undefined },
  },
];
for (const { rule, input: given, lasting, troubles, afterMs } of rows)
  test(rule, () => {
    const weighed = weigh(given);
    assert.equal(
      [weighed.lasting.map(({ reason }) => reason), weighed.troubles, weighed.afterMs],
      [lasting, troubles, afterMs],
    );
  });

test.run();
