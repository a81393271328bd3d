/** A random walk; RUNTIME_INSIGHTS_WALK_SEED replays one, and `npm run test:soak` takes a longer one. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type RobustWorld, startRobustWorld } from "./robust-world.ts";
import { walk } from "./walk.ts";

let world: RobustWorld;
const seed = Number(process.env.RUNTIME_INSIGHTS_WALK_SEED ?? Date.now() % 1_000_000);

test("an API server, a garbage collector, a proxy and an operator come up", async () => {
  world = await startRobustWorld({ controllers: "cleaning" });
  world.operator.start();
  await world.operator.waitUntilRun();
});
test.after(async () => {
  await world?.stop();
});

test("whatever happens: at rest the world is as config and gate say, and nothing is written", async () => {
  console.log(`seed ${seed}`);
  const { actions, quietPoints, slowestMs } = await walk(world, { seed, forMs: 60_000 });
  console.log(
    `seed ${seed}: ${actions} actions, ${quietPoints} quiet points, at most ${slowestMs} ms until all was right`,
  );
  assert.ok(quietPoints >= 3, `${quietPoints} quiet points`);
});

test.run();
