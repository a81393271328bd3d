/** A random walk of the world around the operator, by seed: stretches of actions, and a quiet point after each, where all has to be right. */
import { setTimeout as sleep } from "node:timers/promises";
import { waitFor } from "../../hack/kubectl.ts";
import { configPath } from "../api/operator-world.ts";
import { quiet } from "./kills.ts";
import { namespace } from "./operator-process.ts";
import type { RobustWorld } from "./robust-world.ts";
import { type Action, type Drift, stretch } from "./walk-actions.ts";
import { problemsOf } from "./walk-check.ts";

export interface WalkOptions {
  readonly seed: number;
  readonly forMs: number;
  /** True while processes may be killed at that time of the walk; default always. */
  readonly restarts?: (elapsedMs: number) => boolean;
  /** Called at each quiet point. */
  readonly onQuiet?: (elapsedMs: number) => Promise<void>;
}

export interface WalkResult {
  readonly actions: number;
  readonly quietPoints: number;
  /** From the end of a stretch until all was right. */
  readonly slowestMs: number;
}

/** However long they take. */
const leastStretches = 3;
/** So long the operator may take after a stretch. */
const healMs = 120_000;

/** Throws at the first quiet point where something is wrong, with the seed and what was done. */
export async function walk(world: RobustWorld, options: WalkOptions): Promise<WalkResult> {
  const { seed, forMs, restarts = () => true, onQuiet } = options;
  const walker = new Walker(world);
  // One of the two that configs name; the other is there in every cluster.
  await world.api.create("/apis/scheduling.k8s.io/v1/priorityclasses", { metadata: { name: "low" }, value: 1 });
  const startedMs = Date.now();
  let actions = 0;
  let slowestMs = 0;
  let number = 0;
  for (; Date.now() - startedMs < forMs || number < leastStretches; number++) {
    const todo = stretch(seed, number, { restarts: restarts(Date.now() - startedMs) });
    const told = () => `seed ${seed}, stretch ${number}: ${JSON.stringify(todo)}`;
    try {
      for (const [index, action] of todo.entries()) {
        await walker.perform(action);
        await sleep(((seed + number * 31 + index * 17) % 7) * 60);
      }
      actions += todo.length;
      slowestMs = Math.max(slowestMs, await walker.comeToRest());
    } catch (cause) {
      throw new Error(`${told()}: ${String(cause)}\n${world.operator.lastWords()}`, { cause });
    }
    await onQuiet?.(Date.now() - startedMs);
  }
  return { actions, quietPoints: number, slowestMs };
}

class Walker {
  readonly #world: RobustWorld;
  readonly #foreign = new Map<string, { readonly path: string; readonly annotation: string }>();
  readonly #undo: (() => void)[] = [];
  #isAway = false;
  #isFrozen = false;

  constructor(world: RobustWorld) {
    this.#world = world;
  }

  async perform(action: Action): Promise<void> {
    const { api, operator } = this.#world;
    switch (action.kind) {
      case "config": {
        const { status, text } = await api.applyConfig(action.spec);
        if (status >= 300) throw new Error(`the API server refused a config: ${text.slice(0, 1_000)}`);
        return;
      }
      case "config goes":
        return api.delete(configPath);
      case "gate":
        return api.setGate(action.state, ...(action.version === "ours" ? [] : (["4.17.0"] as const)));
      case "drift":
        return this.#drift(api.pathOf(action.operand), action.how);
      case "watches":
        return this.#disturbWatches(action.how);
      case "requests":
        return this.#disturbRequests(action.how, action.every);
      case "away":
        return this.#goAway(action.how);
      case "process":
        if (this.#isFrozen || !operator.isRunning) return;
        if (action.how === "freeze") operator.freeze();
        else if (action.how === "kill") await operator.kill();
        else await this.#terminate();
        this.#isFrozen = action.how === "freeze";
        if (!this.#isFrozen) operator.start();
        return;
      default:
        return action;
    }
  }

  async #terminate(): Promise<void> {
    const { operator } = this.#world;
    const { hasStarted } = operator;
    const code = await operator.terminate();
    if (hasStarted && code !== 0) throw new Error("told to end, the operator did not end with 0");
  }

  /** Ends every disturbance; resolves with the time until all was right, and throws when it is not in time or is written to then. */
  async comeToRest(): Promise<number> {
    const { proxy, operator } = this.#world;
    for (const undo of this.#undo.splice(0)) undo();
    if (this.#isAway) await proxy.restore();
    this.#isAway = false;
    if (this.#isFrozen) operator.thaw();
    this.#isFrozen = false;
    const startedMs = Date.now();
    await this.#allIsRight();
    const tookMs = Date.now() - startedMs;
    await operator.waitUntilRun();
    // What was asked while nobody answered may still end late, and say so once.
    for (let stragglers = 0; ; stragglers++) {
      await quiet(this.#world, 500);
      await this.#allIsRight();
      proxy.forget();
      await sleep(1_500);
      const writes = proxy.writes().filter(({ path }) => !path.includes("/leases/"));
      if (writes.length === 0) break;
      const told = writes.map(({ method, path, body }) => `${method} ${path} ${body}`).join("\n");
      if (stragglers === 2) throw new Error(`written at rest: ${told}`);
    }
    return tookMs;
  }

  async #allIsRight(): Promise<void> {
    let problems: readonly string[] = [];
    await waitFor(
      "the world to be as config and gate say",
      async () => {
        problems = await problemsOf(this.#world, this.#foreign);
        return problems.length === 0 ? true : undefined;
      },
      { timeoutMs: healMs, everyMs: 250 },
    ).catch((cause: unknown) => {
      throw new Error(`${String(cause)}: ${problems.join("\n")}`);
    });
  }

  async #drift(path: string, how: Drift): Promise<void> {
    const { api } = this.#world;
    const object = await api.get(path);
    if (object === undefined) return;
    const { uid = "", labels = {} } = object.metadata;
    const annotation = `example.com/${how}`;
    switch (how) {
      case "delete":
        return api.delete(path);
      case "strip": {
        const nothing = Object.fromEntries(Object.keys(labels).map((name) => [name, null]));
        return api.patch(path, { metadata: { labels: nothing } });
      }
      case "edit":
        return api.patch(path, { metadata: { labels: { "app.kubernetes.io/part-of": "x" } } });
      case "foreign": {
        const { apiVersion, kind } = object;
        const scope = object.metadata.namespace === undefined ? {} : { namespace };
        const metadata = { name: object.metadata.name, ...scope, uid, annotations: { [annotation]: "kept" } };
        const { status } = await api.admin.call({
          ...{ method: "PATCH", path, query: { fieldManager: "somebody", force: true } },
          ...{ contentType: "application/apply-patch+yaml", body: { apiVersion, kind, metadata } },
        });
        if (status === 200) this.#foreign.set(uid, { path, annotation });
        return;
      }
      default:
        return how;
    }
  }

  /** Lines are lost on a connection that then turns out to be too old, as every lost line is found out in the end. */
  #disturbWatches(how: "lose" | "end" | "cut" | "expire"): void {
    const { proxy } = this.#world;
    const expire = () => {
      for (const watch of proxy.watches()) {
        watch.send({ type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired", message: "too old" } });
        watch.end();
      }
    };
    if (how === "expire") expire();
    else if (how === "lose") {
      const undo = proxy.onWatchLine(() => "drop");
      this.#undo.push(() => {
        undo();
        expire();
      });
    } else for (const watch of proxy.watches()) watch[how]();
  }

  #disturbRequests(how: "throttle" | "fail" | "cut" | "hang", every: number): void {
    let number = 0;
    const undo = this.#world.proxy.onRequest(({ path }) => {
      number += 1;
      if (number % every !== 0 || path.includes("/leases/")) return "pass";
      const status = (code: number) => JSON.stringify({ kind: "Status", status: "Failure", code, message: "a test" });
      if (how === "throttle") return { status: 429, headers: { "retry-after": "1" }, body: status(429) };
      if (how === "fail") return { status: 503, body: status(503) };
      return number > 20 && how === "hang" ? "pass" : how;
    });
    this.#undo.push(undo);
  }

  async #goAway(how: "refused" | "silent"): Promise<void> {
    if (this.#isAway) return;
    this.#isAway = true;
    await this.#world.proxy.cutOff(how);
    await sleep(1_500);
  }
}
