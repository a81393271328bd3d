import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { KeyedQueue, type QueueOptions } from "./queue.ts";

const none = { afterMs: undefined };
const quiet: Pick<QueueOptions, "onError"> = { onError: () => undefined };

async function until(what: string, is: () => boolean): Promise<void> {
  for (let tries = 0; tries < 300; tries += 1) {
    if (is()) return;
    await sleep(5);
  }
  throw new Error(`${what} did not come`);
}

test("a key that is asked for while it runs, however often, runs once more, and never beside itself", async () => {
  let runs = 0;
  let now = 0;
  let most = 0;
  let finish: () => void = () => undefined;
  const queue = new KeyedQueue({
    ...quiet,
    run: async () => {
      runs += 1;
      now += 1;
      most = Math.max(most, now);
      if (runs === 1) await new Promise<void>((resolve) => (finish = resolve));
      now -= 1;
      return none;
    },
  });
  queue.add("a");
  await until("the first run", () => runs === 1);
  for (let times = 0; times < 5; times += 1) queue.add("a");
  finish();
  await until("the second run", () => runs === 2);
  await sleep(30);
  assert.equal([runs, most], [2, 1]);
  await queue.stop();
});

test("an appointment in a month is none for now", async () => {
  let runs = 0;
  const queue = new KeyedQueue({
    ...quiet,
    run: async () => {
      runs += 1;
      return { afterMs: 30 * 24 * 3_600_000 };
    },
  });
  queue.add("a");
  await until("the first run", () => runs === 1);
  await sleep(30);
  assert.is(runs, 1);
  await queue.stop();
});

test("keys do not wait for each other", async () => {
  const seen: string[] = [];
  const queue = new KeyedQueue({
    ...quiet,
    run: async (key, signal) => {
      if (key === "slow") await new Promise((resolve) => signal.addEventListener("abort", resolve));
      seen.push(key);
      return none;
    },
  });
  queue.add("slow");
  queue.add("fast");
  await until("the fast one", () => seen.includes("fast"));
  assert.equal(seen, ["fast"]);
  await queue.stop();
  assert.equal(seen, ["fast", "slow"]);
});

test("a run that fails is tried again, later each time up to the bound, and the count begins anew after a good one", async () => {
  const delays: number[] = [];
  let runs = 0;
  const queue = new KeyedQueue({
    run: async () => {
      runs += 1;
      if (runs !== 5) throw new Error("no");
      return { afterMs: 0 };
    },
    onError: (_, __, retryAfterMs) => delays.push(retryAfterMs),
    ...{ minBackoffMs: 2, maxBackoffMs: 10 },
  });
  queue.add("a");
  await until("six runs", () => delays.length >= 5);
  assert.equal(delays.slice(0, 5), [2, 4, 8, 10, 2]);
  await queue.stop();
});

test("a run says when the next one is due; an earlier call comes first", async () => {
  const times: number[] = [];
  const queue = new KeyedQueue({
    ...quiet,
    run: async () => {
      times.push(Date.now());
      return { afterMs: times.length === 1 ? 40 : 60_000 };
    },
  });
  queue.add("a");
  await until("the second run", () => times.length === 2);
  assert.ok((times[1] ?? 0) - (times[0] ?? 0) >= 35);
  queue.addAfter("a", 1);
  await until("the third run", () => times.length === 3);
  await queue.stop();
});

for (const stepMs of [86_400_000, -86_400_000])
  test(`the clock is set ${stepMs / 3_600_000} h: a call comes first all the same, and an appointment keeps its time`, async () => {
    let runs = 0;
    const queue = new KeyedQueue({
      ...quiet,
      run: async () => {
        runs += 1;
        return { afterMs: 60_000 };
      },
    });
    const now = Date.now;
    try {
      queue.add("a");
      await until("the first run", () => runs === 1);
      queue.addAfter("b", 20);
      Date.now = () => now() + stepMs;
      queue.add("a");
      queue.addAfter("b", 60_000);
      await until("the runs", () => runs === 3);
    } finally {
      Date.now = now;
      await queue.stop();
    }
  });

test("after a stop nothing runs", async () => {
  let runs = 0;
  const queue = new KeyedQueue({
    ...quiet,
    run: async () => {
      runs += 1;
      return none;
    },
  });
  queue.addAfter("a", 10);
  await queue.stop();
  queue.add("b");
  await sleep(30);
  assert.is(runs, 0);
});

test("the longest run is told while it lasts, so that one that hangs can be noticed", async () => {
  let finish: () => void = () => undefined;
  const queue = new KeyedQueue({
    ...quiet,
    run: async () => {
      await new Promise<void>((resolve) => (finish = resolve));
      return none;
    },
  });
  assert.is(queue.longestRunMs(), 0);
  queue.add("a");
  await sleep(40);
  assert.ok(queue.longestRunMs() >= 20);
  finish();
  await until("its end", () => queue.longestRunMs() === 0);
  await queue.stop();
});

test.run();
