/**
 * A list of the API server, read while its bytes come in: of each item only the wanted fields become values, one item at a time.
 * A page of pods is megabytes of which some kilobytes are wanted.
 */
import {
  closeBrace,
  closeBracket,
  comma,
  Incomplete,
  JsonCursor,
  openBrace,
  openBracket,
  type Wanted,
} from "./json-cursor.ts";

const enoughBytes = 64 * 1024;

export interface ListReaderOptions {
  /** For errors: "listing pods". */
  readonly what: string;
  /** Wanted of the list itself. */
  readonly fields: ReadonlyMap<string, Wanted>;
  readonly fieldsOfItem: Wanted;
  /** An item is handed on once it is complete. */
  readonly onItem: (item: unknown) => void;
}

export class ListReader {
  readonly #what: string;
  readonly #wanted: ReadonlyMap<string, Wanted>;
  readonly #wantedOfItem: Wanted;
  readonly #onItem: (item: unknown) => void;
  readonly #fields = new Map<string, unknown>();
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #enough = enoughBytes;
  #problem: unknown;
  #place: "before" | "fields" | "items" | "after" = "before";

  constructor({ what, fields, fieldsOfItem, onItem }: ListReaderOptions) {
    this.#what = what;
    this.#wanted = fields;
    this.#wantedOfItem = fieldsOfItem;
    this.#onItem = onItem;
  }

  /** Never throws: `finish` does, for whoever asks for the list would otherwise take it for an answer that was cut off. */
  push(chunk: Buffer): void {
    if (this.#problem !== undefined) return;
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    if (this.#waitingBytes >= this.#enough) this.#read();
  }

  /** The list's own fields that have come in so far; `items` is empty as soon as it begins, if it is a list. */
  get fields(): Readonly<Record<string, unknown>> {
    return Object.fromEntries(this.#fields);
  }

  /** The fields of the complete list. Throws what `onItem` threw, or an error when the bytes are no list in JSON; unwanted parts may be anything. */
  finish(): Readonly<Record<string, unknown>> {
    if (this.#problem === undefined) this.#read();
    if (this.#problem !== undefined) throw this.#problem;
    if (this.#place !== "after") throw new Error(`${this.#what}: the answer is cut off`);
    return this.fields;
  }

  #read(): void {
    const cursor = new JsonCursor(Buffer.concat(this.#waiting));
    let done = 0;
    try {
      while (cursor.hasMore()) {
        this.#step(cursor);
        done = cursor.at;
      }
      done = cursor.at;
    } catch (cause) {
      // The parser's own words would quote the list.
      if (!(cause instanceof Incomplete))
        this.#problem =
          cause instanceof SyntaxError ? new Error(`${this.#what}: the answer is no list in JSON`) : cause;
    }
    const rest = cursor.bytes.subarray(done);
    this.#waiting = [rest];
    this.#waitingBytes = rest.length;
    // An item of megabytes is not begun anew with every piece of it.
    this.#enough = Math.max(enoughBytes, 2 * rest.length);
  }

  /** Takes a field, an item or an end; nothing is changed when the bytes do not suffice. */
  #step(cursor: JsonCursor): void {
    switch (this.#place) {
      case "before":
        if (!cursor.takes(openBrace)) throw new SyntaxError("a list was expected");
        this.#place = "fields";
        return;
      case "fields":
        cursor.takes(comma);
        if (cursor.takes(closeBrace)) this.#place = "after";
        else this.#takeField(cursor);
        return;
      case "items":
        cursor.takes(comma);
        if (cursor.takes(closeBracket)) this.#place = "fields";
        else this.#onItem(cursor.value(this.#wantedOfItem));
        return;
      case "after":
        throw new SyntaxError("the list goes on after its end");
    }
  }

  #takeField(cursor: JsonCursor): void {
    const name = cursor.name();
    if (name === "items" && cursor.takes(openBracket)) {
      this.#fields.set(name, []);
      this.#place = "items";
      return;
    }
    const which = this.#wanted.get(name);
    if (which !== undefined || name === "items") this.#fields.set(name, cursor.value(which ?? true));
    else cursor.skip();
  }
}
