/** What the API server says about when it wants to be asked again. */

/** No server is left alone longer than that, whatever it says. */
const maxWaitMs = 60_000;

/** Undefined for an answer that asks for no patience; at most a minute. */
export function retryAfterMsOf(status: number, header: string | readonly string[] | undefined): number | undefined {
  if ((status !== 429 && status < 500) || typeof header !== "string") return undefined;
  const seconds = /^\d{1,9}$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(0, seconds * 1000), maxWaitMs);
}

/** Remembers until when what must not be asked; each wait is a little longer than wished, lest all come back at once. */
export class Wishes {
  readonly #untilMs = new Map<string, number>();

  waitMs(what: string): number {
    return Math.max(0, (this.#untilMs.get(what) ?? 0) - performance.now());
  }

  note(what: string, retryAfterMs: number | undefined): void {
    const nowMs = performance.now();
    for (const [known, untilMs] of this.#untilMs) if (untilMs <= nowMs) this.#untilMs.delete(known);
    if (retryAfterMs !== undefined) this.#untilMs.set(what, nowMs + retryAfterMs * (1 + Math.random() / 4));
  }

  /** In the API server's place, while it must not be asked. */
  refusal(what: string): { readonly status: number; readonly body: object } {
    const seconds = Math.ceil(this.waitMs(what) / 1000);
    const message = `the API server wants not to be asked for another ${seconds} s`;
    return { status: 429, body: { kind: "Status", status: "Failure", code: 429, message } };
  }
}
