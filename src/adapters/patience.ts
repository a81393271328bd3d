/** Asking the API server again when it stumbles. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Api, ApiAnswer, ApiCall } from "./connection.ts";

export interface Patience {
  /** What is asked for, for the error: "listing pods". */
  readonly what: string;
  readonly signal: AbortSignal;
  /** Waits between the tries; default half a second, doubled up to four, five tries in all. */
  readonly delaysMs?: readonly number[];
}

const defaultDelaysMs = [500, 1_000, 2_000, 4_000];

/** The API server's answer once it is neither "too many requests" nor a server error. Throws when the tries are used up or the signal aborts. */
export async function askPatiently(
  api: Api,
  call: ApiCall,
  { what, signal, delaysMs = defaultDelaysMs }: Patience,
): Promise<ApiAnswer> {
  let problem: unknown;
  for (const delayMs of [...delaysMs, undefined]) {
    signal.throwIfAborted();
    try {
      const answer = await api.call({ ...call, signal });
      if (answer.status !== 429 && answer.status < 500) return answer;
      problem = new Error(describe(answer));
    } catch (cause) {
      problem = cause;
    }
    signal.throwIfAborted();
    if (delayMs !== undefined) await sleep(delayMs, undefined, { signal });
  }
  throw new Error(`${what}: ${problem instanceof Error ? problem.message : String(problem)}`, { cause: problem });
}

/** Status and message of an answer that is not the one hoped for, on one line. */
export function describe({ status, body }: ApiAnswer): string {
  const message =
    typeof body === "object" && body !== null && "message" in body && typeof body.message === "string"
      ? body.message
      : typeof body === "string"
        ? body
        : "";
  return `status ${status}${message === "" ? "" : `: ${message.slice(0, 300).replaceAll(/\s+/g, " ")}`}`;
}
