/** A gatherer before, while and after it holds what there is, with a real folder. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { writeArchive } from "../adapters/disk.ts";
import { Journal } from "../adapters/journal.ts";
import { createLogger } from "../adapters/telemetry.ts";
import type { GatherProgress, Inventory } from "../api/gather.ts";
import { Holding, type HoldingOptions } from "./holding.ts";

let directory = "";
let journal: Journal;
test.before.each(async () => {
  directory = await mkdtemp(join(tmpdir(), "holding-"));
  journal = await Journal.open(directory);
});
test.after.each(() => rm(directory, { recursive: true }));

const log = createLogger({ name: "test", level: "silent" });
const open = (
  times: NonNullable<HoldingOptions["times"]> = { leaveMs: 0, lingerMs: 60_000, lonelyMs: 60_000 },
  where = directory,
) => Holding.open({ directory: where, journal, nowMs: () => 7_000, log, times });
const nothing = { outcomes: [], inventory: null };
const inventory = (gather: string, gatheredAtMs: number): Inventory => ({ gather, gatheredAtMs, rows: [] });
const outcome = (id: string, startedAtMs: number): GatherProgress => ({
  ...{ id, phase: "Interrupted", stage: "Done", startedAtMs, finishedAtMs: null, outcome: null },
});
const put = () => writeArchive(directory, "insights-2026-01-02-030405.tar.gz", Buffer.from("a"));
const yes = async () => true;
const endsWithin = async (ending: Promise<void>, ms: number): Promise<boolean> =>
  Promise.race([ending.then(() => true), sleep(ms, false, { ref: false })]);
const isOver = (ending: Promise<void>) => endsWithin(ending, 50);
/** With patience for the machine, less than what it would wait for otherwise. */
const ends = (ending: Promise<void>) => endsWithin(ending, 20_000);

test("one that begins with nothing waits, and is ready once it was handed what there was, be it nothing", async () => {
  const holding = await open();
  assert.equal([holding.status().state, holding.isReady()], ["waiting", false]);
  assert.equal(await holding.takeOver(nothing), { problems: [] });
  assert.equal([holding.status(), holding.isReady()], [{ state: "serving", sinceMs: 7_000 }, true]);
});

test("a container that starts again in the same pod still has it", async () => {
  await (await open()).takeOver(nothing);
  assert.equal((await open()).status(), { state: "serving", sinceMs: 7_000 });
});

test("a note of it that cannot be read counts for nothing", async () => {
  for (const text of ["", "{", '{"state":"emperor","sinceMs":1}', '{"state":"serving"}']) {
    await writeFile(join(directory, "handover.json"), text);
    assert.is((await open()).status().state, "waiting", text);
  }
});

test("one to which nobody comes serves after a while, and still takes what comes later", async () => {
  const holding = await open({ leaveMs: 0, lingerMs: 0, lonelyMs: 0 });
  assert.equal([holding.status().state, holding.isReady()], ["waiting", true]);
  await holding.takeOver({ ...nothing, outcomes: [outcome("a", 1)] });
  assert.equal([holding.status().state, journal.find("a")?.phase], ["serving", "Interrupted"]);
});

test("handed twice: outcomes and inventory of its own stay, newer ones come in", async () => {
  const holding = await open();
  await journal.write({ ...outcome("b", 5), stage: "Writing" });
  await journal.writeInventory(inventory("b", 5));
  await holding.takeOver({ outcomes: [outcome("b", 5), outcome("a", 1)], inventory: inventory("a", 1) });
  assert.equal([journal.find("b")?.stage, journal.find("a")?.stage], ["Writing", "Done"]);
  assert.is((await journal.readInventory())?.gather, "b");
  await holding.takeOver({ outcomes: [], inventory: inventory("c", 9) });
  assert.is((await journal.readInventory())?.gather, "c");
});

test("of many outcomes the newest are kept, also by the next process", async () => {
  const holding = await open();
  for (let number = 0; number < 15; number += 1) await journal.write(outcome(`own-${number}`, 100 + number));
  const outcomes = Array.from({ length: 20 }, (_, number) => outcome(`old-${number}`, number));
  await holding.takeOver({ outcomes, inventory: null });
  for (const known of [journal, await Journal.open(directory)]) {
    assert.equal([known.find("old-14"), known.find("own-0")?.id], [undefined, "own-0"]);
    assert.equal([known.find("old-15")?.id, known.find("own-14")?.id], ["old-15", "own-14"]);
  }
});

test("a disk that keeps nothing: it serves all the same, and says what it could not keep", async () => {
  const file = join(directory, "no-folder");
  await writeFile(file, "");
  const broken = await Journal.open(file);
  const holding = await Holding.open({ ...{ directory: file, journal: broken, nowMs: () => 1, log } });
  const { problems } = await holding.takeOver({ outcomes: [outcome("a", 1)], inventory: inventory("a", 1) });
  assert.is(problems.length, 3, problems.join("\n"));
  assert.ok(holding.isReady());
});

test("told to end, it serves on until another one has what it has", async () => {
  await put();
  const holding = await open();
  await holding.takeOver(nothing);
  const ending = holding.linger(yes);
  assert.not(await isOver(ending));
  holding.relieve();
  assert.ok(await ends(ending));
  assert.is(holding.status().state, "relieved");
});

test("relieved before it was told to end: it ends at once", async () => {
  await put();
  const holding = await open();
  await holding.takeOver(nothing);
  holding.relieve();
  assert.ok(await ends(holding.linger(yes)));
});

test("not before those who route to it know", async () => {
  const holding = await open({ leaveMs: 120, lingerMs: 0, lonelyMs: 0 });
  await holding.takeOver(nothing);
  const ending = holding.linger(yes);
  assert.not(await isOver(ending));
  await ending;
});

test("nobody comes: it ends after a while", async () => {
  await put();
  const holding = await open({ leaveMs: 0, lingerMs: 10, lonelyMs: 0 });
  await holding.takeOver(nothing);
  assert.ok(await ends(holding.linger(yes)));
});

test("nothing comes after it, as in an uninstall: it ends at once", async () => {
  await put();
  const holding = await open({ leaveMs: 60_000, lingerMs: 60_000, lonelyMs: 60_000 });
  await holding.takeOver(nothing);
  assert.ok(await ends(holding.linger(async () => false)));
});

test("it turns out later that nothing comes after it, as when a namespace goes: it ends then", async () => {
  await put();
  const holding = await open({ leaveMs: 0, lingerMs: 60_000, lonelyMs: 60_000, followMs: 5 });
  await holding.takeOver(nothing);
  const answers = [true, true];
  assert.ok(await ends(holding.linger(async () => answers.pop() ?? false)));
});

test("one that waits has nothing to wait for", async () => {
  const holding = await open({ leaveMs: 60_000, lingerMs: 60_000, lonelyMs: 60_000 });
  assert.ok(await ends(holding.linger(yes)));
});

test.run();
