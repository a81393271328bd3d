/** JSON as Go writes it, byte for byte. */

export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  /** Keys sorted when written. */
  | ReadonlyMap<string, Json>
  /** Keys in the order given; undefined values are left out. */
  | { readonly [key: string]: Json | undefined };

const escapes: Readonly<Record<string, string>> = {
  "<": "\\u003c",
  ">": "\\u003e",
  "&": "\\u0026",
  "\u2028": "\\u2028",
  "\u2029": "\\u2029",
};

/** Compact, without a newline at the end; lone surrogates become U+FFFD. */
export function goJson(value: Json): string {
  if (typeof value === "string") return quote(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (isList(value)) return `[${value.map(goJson).join(",")}]`;
  const fields = value instanceof Map ? [...value].sort(([a], [b]) => (a < b ? -1 : 1)) : Object.entries(value);
  return `{${fields.flatMap(([key, field]) => (field === undefined ? [] : [`${quote(key)}:${goJson(field)}`])).join(",")}}`;
}

function isList(value: object): value is readonly Json[] {
  return Array.isArray(value);
}

function quote(text: string): string {
  return JSON.stringify(text.toWellFormed()).replace(
    /[<>&\u2028\u2029]/g,
    (character) => escapes[character] ?? character,
  );
}
