/** Pages of lists whose objects others may make as large as they like. */
import type { Api, ApiAnswer, ApiCall } from "./connection.ts";
import { askPatiently, type Patience } from "./patience.ts";

const most = 500;
const defaultMaxBytes = 8 * 1024 * 1024;

/** Asks for a list page by page; a page of too many bytes is asked for again in smaller pieces, down to single objects. */
export class Pages {
  readonly #maxBytes: number;
  #limit = most;

  constructor(maxBytes = defaultMaxBytes) {
    this.#maxBytes = maxBytes;
  }

  /** The page that begins at the token, the first one when it is empty; any status is an answer, as in `askPatiently`. */
  async ask(api: Api, call: ApiCall, continueToken: string, patience: Patience): Promise<ApiAnswer> {
    for (;;) {
      const limit = this.#limit;
      const query = { ...call.query, limit, ...(continueToken === "" ? {} : { continue: continueToken }) };
      const answer = await this.#attempt(api, { ...call, query }, limit, patience);
      if (answer !== undefined) return answer;
      this.#limit = Math.max(1, Math.floor(limit / 8));
    }
  }

  /** Undefined when it is too large, of which no more than the bound is held. */
  async #attempt(api: Api, call: ApiCall, limit: number, patience: Patience): Promise<ApiAnswer | undefined> {
    const tooLarge = new AbortController();
    let chunks: Buffer[] = [];
    let bytes = 0;
    const into = () => {
      chunks = [];
      bytes = 0;
      return (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > this.#maxBytes && limit > 1) tooLarge.abort();
        else chunks.push(chunk);
      };
    };
    try {
      const signal = AbortSignal.any([patience.signal, tooLarge.signal]);
      const answer = await askPatiently(api, { ...call, into }, { ...patience, signal });
      if (tooLarge.signal.aborted) return undefined;
      if (bytes < this.#maxBytes / 8) this.#limit = Math.min(most, 2 * limit);
      return answer.status === 200 ? { status: 200, body: parse(Buffer.concat(chunks).toString()) } : answer;
    } catch (cause) {
      if (tooLarge.signal.aborted && !patience.signal.aborted) return undefined;
      throw cause;
    }
  }
}

/** Undefined for what is no JSON, which no decoder takes for a page. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
