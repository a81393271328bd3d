/**
 * Kill -9 before and after each single write of an install, an update, both flips of the gate and a removal. A seeded few of the
 * points each time; RUNTIME_INSIGHTS_KILL_POINTS=all takes all of them.
 */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type KillPoint, killPoints, problemsOfKill, type Reference, record, scenarios } from "./kills.ts";
import { type RobustWorld, startRobustWorld } from "./robust-world.ts";

let world: RobustWorld;
const references = new Map<string, Reference>();
const seed = Number(process.env.RUNTIME_INSIGHTS_KILL_SEED ?? Date.now() % 1_000_000);
const pointsOfARun = 20;

test("an API server, a proxy and an operator come up", async () => {
  world = await startRobustWorld({ controllers: false });
  world.operator.start();
  await world.operator.waitUntilRun();
});
test.after(async () => {
  await world?.stop();
});

test("undisturbed: each change writes what it has to, once", async () => {
  for (const scenario of scenarios) references.set(scenario.name, await record(world, scenario));
  const writes = (name: string) => references.get(name)?.writes ?? [];
  const objects = (name: string) => writes(name).filter((write) => !/\/(status|events)$/.test(write));
  for (const { name } of scenarios) assert.equal([...new Set(objects(name))], objects(name), name);
  if (process.env.DEBUG_KILLS !== undefined) console.log(references);
  assert.is(objects("install").length, objects("removal").length);
  assert.is(objects("gate on").length, objects("gate off").length);
  assert.is(objects("update").length, 3);
});

function chosen(points: readonly KillPoint[]): readonly KillPoint[] {
  if (process.env.RUNTIME_INSIGHTS_KILL_POINTS === "all") return points;
  const some = fc.shuffledSubarray([...points], { minLength: pointsOfARun, maxLength: pointsOfARun });
  return fc.sample(some, { seed, numRuns: 1 })[0] ?? [];
}

test("killed beside any write: after a restart the same end, nothing written that was right, no event told twice", async () => {
  const points = scenarios.flatMap((scenario) => {
    const reference = references.get(scenario.name);
    return reference === undefined ? [] : killPoints(scenario, reference);
  });
  assert.ok(points.length >= 100, `${points.length} points`);
  const failures: string[] = [];
  let missed = 0;
  const taken = chosen(points);
  for (const point of taken) {
    const { scenario, when, write, nth } = point;
    const reference = references.get(scenario.name);
    if (reference === undefined) continue;
    const problems = await problemsOfKill(world, point, reference);
    if (problems === undefined) missed += 1;
    if (problems !== undefined && problems.length > 0)
      failures.push(`${scenario.name}, killed ${when} ${write} number ${nth}:\n  ${problems.join("\n  ")}`);
  }
  console.log(`seed ${seed}: ${taken.length} of ${points.length} points, ${missed} did not come`);
  assert.is(failures.length, 0, `seed ${seed} (RUNTIME_INSIGHTS_KILL_SEED)\n${failures.join("\n")}`);
  assert.ok(missed <= taken.length / 10, `${missed} of ${taken.length} points did not come`);
});

test.run();
