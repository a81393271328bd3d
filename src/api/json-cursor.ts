/** Reads chosen fields out of JSON bytes and passes over the rest, which costs a tenth of parsing it. */

/** Fields of an object to read; of a list, those of each of its elements. `true`: the whole value. */
export type Wanted = true | ReadonlyMap<string, Wanted>;
export interface WantedFields {
  readonly [field: string]: true | WantedFields;
}

/** From nested objects, which are easier on the eye. */
export function wanted(fields: WantedFields): ReadonlyMap<string, Wanted> {
  return new Map(Object.entries(fields).map(([name, below]) => [name, below === true ? true : wanted(below)]));
}

/** The bytes end within what was to be read. */
export class Incomplete extends Error {}
/** Made once, since it is thrown at the end of every piece and nobody looks at where. */
const incomplete = new Incomplete("more bytes are needed");

export const openBracket = 0x5b;
export const closeBracket = 0x5d;
export const openBrace = 0x7b;
export const closeBrace = 0x7d;
export const comma = 0x2c;
const colon = 0x3a;
const quote = 0x22;
const backslash = 0x5c;

/**
 * A place in JSON bytes. Every method begins at the next byte that is no white space, moves behind what it took, and throws Incomplete
 * when the bytes end before that, or a SyntaxError. What is passed over is not checked beyond its strings and brackets.
 */
export class JsonCursor {
  readonly bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** True when something other than white space follows. */
  hasMore(): boolean {
    for (; this.at < this.bytes.length; this.at += 1) if (!isSpace(this.bytes[this.at])) return true;
    return false;
  }

  /** Takes the byte if it is the next one. */
  takes(byte: number): boolean {
    if (this.#next() !== byte) return false;
    this.at += 1;
    return true;
  }

  /** The name of a field, with the colon behind it. */
  name(): string {
    if (this.#next() !== quote) throw new SyntaxError("a name was expected");
    const name = this.#string();
    if (!this.takes(colon)) throw new SyntaxError("a colon was expected");
    return name;
  }

  /** A value with the wanted fields only; those of a name that comes twice are the last one's. */
  value(which: Wanted): unknown {
    if (which === true) return this.#whole();
    switch (this.#next()) {
      case openBrace:
        return this.#object(which);
      case openBracket:
        return this.#list(which);
      default:
        return this.#whole();
    }
  }

  skip(): void {
    const first = this.#next();
    if (first === quote) this.#skipString();
    else if (first === openBrace || first === openBracket) this.#skipNested();
    else this.#skipScalar();
  }

  #object(which: ReadonlyMap<string, Wanted>): unknown {
    this.at += 1;
    const fields = new Map<string, unknown>();
    while (!this.takes(closeBrace)) {
      const name = this.name();
      const below = which.get(name);
      if (below === undefined) this.skip();
      else fields.set(name, this.value(below));
      this.#separator(closeBrace);
    }
    return Object.fromEntries(fields);
  }

  /** A list within the list is none of objects: it is read in whole, so that nothing here is as deep as the input. */
  #list(which: Wanted): unknown {
    this.at += 1;
    const elements: unknown[] = [];
    while (!this.takes(closeBracket)) {
      elements.push(this.#next() === openBracket ? this.#whole() : this.value(which));
      this.#separator(closeBracket);
    }
    return elements;
  }

  #separator(end: number): void {
    if (!this.takes(comma) && this.#next() !== end) throw new SyntaxError("a comma was expected");
  }

  #whole(): unknown {
    if (this.#next() === quote) return this.#string();
    const start = this.at;
    this.skip();
    return JSON.parse(this.bytes.toString("utf8", start, this.at));
  }

  #string(): string {
    const start = this.at;
    const hasEscapes = this.#skipString();
    if (!hasEscapes) return this.bytes.toString("utf8", start + 1, this.at - 1);
    const value: unknown = JSON.parse(this.bytes.toString("utf8", start, this.at));
    return String(value);
  }

  #next(): number {
    for (; this.at < this.bytes.length; this.at += 1) {
      const byte = this.bytes[this.at];
      if (byte !== undefined && !isSpace(byte)) return byte;
    }
    throw incomplete;
  }

  /** True when it holds a backslash. */
  #skipString(): boolean {
    const { bytes } = this;
    const end = bytes.length;
    let hasEscapes = false;
    for (let at = this.at + 1; at < end; at += 1) {
      const byte = bytes[at];
      if (byte === quote) {
        this.at = at + 1;
        return hasEscapes;
      }
      if (byte === backslash) {
        hasEscapes = true;
        at += 1;
      }
    }
    throw incomplete;
  }

  #skipNested(): void {
    const { bytes } = this;
    const end = bytes.length;
    let depth = 0;
    for (let at = this.at; at < end; at += 1) {
      const byte = bytes[at];
      if (byte === quote) {
        for (at += 1; at < end; at += 1) {
          const inside = bytes[at];
          if (inside === quote) break;
          if (inside === backslash) at += 1;
        }
      } else if (byte === openBrace || byte === openBracket) depth += 1;
      else if (byte === closeBrace || byte === closeBracket) {
        depth -= 1;
        if (depth === 0) {
          this.at = at + 1;
          return;
        }
      }
    }
    throw incomplete;
  }

  #skipScalar(): void {
    const start = this.at;
    for (let at = start; at < this.bytes.length; at += 1) {
      const byte = this.bytes[at];
      if (byte !== comma && byte !== closeBrace && byte !== closeBracket && !isSpace(byte)) continue;
      if (at === start) throw new SyntaxError("a value was expected");
      this.at = at;
      return;
    }
    throw incomplete;
  }
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
