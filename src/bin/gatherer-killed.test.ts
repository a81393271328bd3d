/**
 * The gatherer's process, killed before each single change that it makes to its folder, and started again. strace kills it, so the
 * product knows nothing of it. A seeded few of the points each time; RUNTIME_INSIGHTS_KILL_POINTS=all takes all of them.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import tar from "tar-stream";
import { request } from "undici";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { type ScriptedApi, scriptedApi } from "../adapters/api.fixture.ts";
import { isArchiveName, pack, writeArchive } from "../adapters/disk.ts";
import { gatherProgressSchema } from "../api/gather.ts";
import { makeOrder } from "../core/order.fixture.ts";
import { apiPod } from "../core/pods.fixture.ts";

/** Opening and filling a file are not among them: what they leave is seen before the next of these. */
const changes = "mkdir,mkdirat,fchmod,fsync,fdatasync,link,linkat,rename,renameat,renameat2,unlink,unlinkat";
const pointsOfARun = 4;
const order = makeOrder();
const entryNames = ["config/workload_info.json", "insights-operator/gathers.json"];
const older = ["insights-2026-01-01-000000.tar.gz", "insights-2026-01-02-000000.tar.gz"];

let api: ScriptedApi;
let directory = "";
let folder = "";
const children = new Set<ChildProcess>();
test.before(async () => {
  directory = await mkdtemp(join(tmpdir(), "kill-test-"));
  api = await scriptedApi((path) => {
    if (path === "/api/v1/pods") return { body: { items: [apiPod()] } };
    return path === "/api/v1/namespaces" ? { body: { items: [{ metadata: { name: "shop" } }] } } : undefined;
  });
  const kubeconfig = {
    clusters: [
      { name: "a", cluster: { server: api.connection.getCurrentCluster()?.server, "insecure-skip-tls-verify": true } },
    ],
    ...{ users: [{ name: "a", user: {} }], contexts: [{ name: "a", context: { cluster: "a", user: "a" } }] },
    "current-context": "a",
  };
  await writeFile(join(directory, "kubeconfig"), JSON.stringify(kubeconfig));
});
test.after(async () => {
  for (const child of children) child.kill("SIGKILL");
  await api.close();
  await rm(directory, { recursive: true });
});

/** With archives of earlier gathers, as many as are kept. */
async function freshFolder(): Promise<void> {
  folder = await mkdtemp(join(directory, "folder-"));
  const entries = entryNames.map((name) => ({ name, bytes: Buffer.from("{}") }));
  for (const name of older) await writeArchive(folder, name, await pack(entries, 0));
}

interface Gatherer {
  /** Undefined when it ended before it listened. */
  readonly url: string | undefined;
  readonly ended: Promise<void>;
  readonly child: ChildProcess;
}

/** Under strace it is a child of ours all the same: the tracer stands aside. One thread works on files, so that they are counted in one place. */
async function start(strace: readonly string[] = []): Promise<Gatherer> {
  const args = ["serve", "--kubeconfig", join(directory, "kubeconfig"), "--directory", folder, "--port", "0"];
  const tracer = strace.length === 0 ? [] : ["strace", "-D", "-f", "-qq", ...strace];
  const gatherer = [process.execPath, join(import.meta.dirname, "gatherer.ts"), ...args];
  const [program = "", ...rest] = [
    ...tracer,
    ...gatherer,
    "--metrics-port",
    "0",
    "--health-port",
    "0",
    "--retention",
    "2",
  ];
  const child = spawn(program, rest, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, UV_THREADPOOL_SIZE: "1", LOG_LEVEL: "info" },
  });
  children.add(child);
  const ended = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", () => {
      children.delete(child);
      resolve();
    });
  });
  const port = new Promise<number>((resolve) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const started = z.object({ msg: z.literal("Gatherer started"), port: z.number() }).safeParse(JSON.parse(line));
      if (started.success) resolve(started.data.port);
    });
  });
  const first = await Promise.race([port, ended]);
  return { child, ended, url: first === undefined ? undefined : `http://127.0.0.1:${first}` };
}

async function find(url: string): Promise<z.infer<typeof gatherProgressSchema> | undefined> {
  const answer = await request(`${url}/v1/gathers/${order.id}`);
  const body = await answer.body.json();
  return answer.statusCode === 404 ? undefined : gatherProgressSchema.parse(body);
}

async function post(url: string): Promise<number> {
  const answer = await request(`${url}/v1/gathers`, { method: "POST", body: JSON.stringify(order) });
  await answer.body.dump();
  return answer.statusCode;
}

/** Orders the gather and waits until the process has written what it has to say, or is killed. */
async function gatherOnce({ url, child, ended }: Gatherer): Promise<void> {
  try {
    if (url !== undefined) {
      assert.ok([200, 202].includes(await post(url)));
      while ((await find(url))?.phase === "Running") await sleep(5);
    }
  } catch (cause) {
    if (cause instanceof assert.Assertion) throw cause;
  }
  child.kill("SIGTERM");
  await ended;
}

/** Names of the archives, each of which has been unpacked. */
async function wholeArchives(): Promise<readonly string[]> {
  const names = (await readdir(folder)).filter(isArchiveName).sort();
  for (const name of names) {
    const extract = tar.extract();
    extract.end(gunzipSync(await readFile(join(folder, name))));
    const found: string[] = [];
    for await (const entry of extract) {
      JSON.parse(await text(entry));
      found.push(entry.header.name);
    }
    assert.equal(found, entryNames, name);
  }
  return names;
}

/** The so many-th call of a name, as strace counts them. */
interface KillPoint {
  readonly call: string;
  readonly nth: number;
  readonly line: string;
}

async function killPoints(): Promise<readonly KillPoint[]> {
  const file = join(directory, "changes");
  await gatherOnce(await start(["-o", file, "-e", `trace=${changes}`]));
  const seen = new Map<string, number>();
  const threads = new Set<string>();
  const points: KillPoint[] = [];
  for (const line of (await readFile(file, "utf8")).split("\n")) {
    const [, thread, call] = /^(\d+) +([a-z0-9]+)\(/.exec(line) ?? [];
    if (thread === undefined || call === undefined) continue;
    const nth = (seen.get(call) ?? 0) + 1;
    seen.set(call, nth);
    threads.add(thread);
    points.push({ call, nth, line });
  }
  assert.is(threads.size, 1, "one thread makes the changes");
  return points;
}

async function checkKilledAt({ call, nth }: KillPoint): Promise<void> {
  const inject = `inject=${call}:signal=KILL:when=${nth}`;
  const killed = await start(["-o", "/dev/null", "-e", `trace=${call}`, "-e", inject]);
  await gatherOnce(killed);
  assert.is(killed.child.signalCode, "SIGKILL");
  const left = await wholeArchives();
  assert.ok(left.includes("insights-2026-01-02-000000.tar.gz"), "the newest archive stays until there is a newer one");

  const next = await start();
  assert.ok(next.url !== undefined, "it starts again");
  const known = await find(next.url);
  assert.ok(known === undefined || known.phase !== "Running", known?.phase);
  if (known?.phase === "Finished")
    assert.ok(left.includes(known.outcome?.archive?.name ?? ""), "the outcome names an archive");
  await gatherOnce(next);

  const archives = await wholeArchives();
  assert.is(archives.length, 2);
  assert.equal((await readdir(folder)).filter((name) => !isArchiveName(name)).sort(), ["gathers", "inventory.json"]);
  const records = await readdir(join(folder, "gathers"));
  assert.is(records.length, 1);
  const record = gatherProgressSchema.parse(
    JSON.parse(await readFile(join(folder, "gathers", records[0] ?? ""), "utf8")),
  );
  assert.is(record.phase, "Finished");
  assert.ok(archives.includes(record.outcome?.archive?.name ?? ""));
}

/** Different ones at each run, the same for the same seed. */
function chosen(points: readonly KillPoint[], seed: number): readonly KillPoint[] {
  if (process.env.RUNTIME_INSIGHTS_KILL_POINTS === "all") return points;
  const rank = ({ call, nth }: KillPoint) => createHash("sha256").update(`${seed} ${call} ${nth}`).digest("hex");
  return points.toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1)).slice(0, pointsOfARun);
}

test("killed before any change to its folder: no half archive, it starts again, and the same order leads to its outcome", async () => {
  await freshFolder();
  const points = await killPoints();
  assert.ok(points.length >= 20, points.map(({ line }) => line).join("\n"));
  const seed = Number(process.env.RUNTIME_INSIGHTS_KILL_SEED ?? Date.now() % 1_000_000);
  for (const point of chosen(points, seed)) {
    await freshFolder();
    await checkKilledAt(point).catch((cause: Error) => {
      cause.message = `seed ${seed}, killed before ${point.line}: ${cause.message}`;
      throw cause;
    });
  }
});

test.run();
