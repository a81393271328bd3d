import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { withLock } from "./lock.ts";

const dir = mkdtempSync(join(tmpdir(), "runtime-insights-lock-"));
const quiet = () => undefined;
test.after(() => rmSync(dir, { recursive: true }));

test("the second waits until the first is done", async () => {
  const path = join(dir, "two");
  const order: string[] = [];
  const one = (name: string) =>
    withLock(path, quiet, async () => {
      order.push(`${name} in`);
      await sleep(50);
      order.push(`${name} out`);
      return name;
    });
  assert.equal(await Promise.all([one("a"), one("b"), one("c")]), ["a", "b", "c"]);
  for (let at = 0; at < order.length; at += 2) assert.is(order[at + 1], order[at]?.replace("in", "out"));
});

test("work that throws frees the lock", async () => {
  const path = join(dir, "throws");
  let message = "";
  await withLock(path, quiet, () => Promise.reject(new Error("broken"))).catch((cause: Error) => {
    message = cause.message;
  });
  assert.is(message, "broken");
  assert.is(await withLock(path, quiet, async () => "free"), "free");
});

test("a holder that is killed frees the lock, and who waits is told so", async () => {
  const path = join(dir, "killed");
  const lock = join(import.meta.dirname, "lock.ts");
  const program = `import { withLock } from ${JSON.stringify(lock)};
    await withLock(${JSON.stringify(path)}, () => {}, () => { console.log("held"); return new Promise(() => setInterval(() => {}, 1000)); });`;
  const other = spawn(process.execPath, ["--input-type=module-typescript", "-e", program]);
  await new Promise((resolve) => other.stdout.once("data", resolve));
  const said: string[] = [];
  const mine = withLock(
    path,
    (line) => said.push(line),
    async () => "taken over",
  );
  await sleep(800);
  assert.is(said.length, 1);
  other.kill("SIGKILL");
  assert.is(await mine, "taken over");
});

test.run();
