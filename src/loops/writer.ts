/** Carries the plan out, one step after the other. */
import type { OperatorMetrics } from "../adapters/operator-metrics.ts";
import type { Logger } from "../adapters/telemetry.ts";
import type { FailedStep } from "../core/health.ts";
import { keyOf, names } from "../core/operands.ts";
import type { Step } from "../core/plan.ts";
import type { OperatorWorld } from "./world.ts";

const caKey = keyOf({ kind: "Secret", name: names.ca });
const signedByCa: ReadonlySet<string> = new Set([names.caBundle, names.exporterTls, names.gathererTls]);

export class OperandWriter {
  readonly #cluster: OperatorWorld["cluster"];
  readonly #metrics: OperatorMetrics;
  /** Keys of what had changed when the last run was to delete it. */
  #outdated: ReadonlySet<string> = new Set();

  constructor({ cluster, metrics }: OperatorWorld) {
    this.#cluster = cluster;
    this.#metrics = metrics;
  }

  /** Something that was to go had changed since it was read, so that a look comes soon. */
  get hasOutdated(): boolean {
    return this.#outdated.size > 0;
  }

  /** Certificates wait for the CA that signed them to be stored. A delete that is refused since the object has changed counts as failed only in two runs in a row. */
  async carryOut(steps: readonly Step[], log: Logger): Promise<readonly FailedStep[]> {
    const failed: FailedStep[] = [];
    const outdated = new Set<string>();
    for (const step of steps) {
      const { operand, action } = step;
      const key = keyOf(operand);
      if (signedByCa.has(operand.name) && failed.some((one) => keyOf(one.operand) === caKey)) {
        failed.push({ operand, message: `waits for ${caKey}` });
        continue;
      }
      const object = { kind: operand.kind, name: operand.name };
      const written = await this.#cluster.carryOut(step);
      this.#metrics.writes.inc({ action, result: written.kind === "done" ? "done" : "failed" });
      if (written.kind === "outdated") outdated.add(key);
      if (written.kind === "done") log.info({ object }, action === "apply" ? "Applied" : "Deleted");
      else if (written.kind === "outdated" && !this.#outdated.has(key)) {
        log.info({ object, action }, "Changed since it was read, looking again");
      } else {
        failed.push({ operand, message: written.message });
        log.warn({ object, action, problem: written.message }, "Could not write an object");
      }
    }
    this.#outdated = outdated;
    return failed;
  }
}
