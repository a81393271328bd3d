/** Fields that were given and that a decoder does not know. */

/** Paths of what `raw` has and `decoded` lacks, sorted; lists, and what decoding made something else of, are not looked into. */
export function unknownFields(raw: unknown, decoded: unknown, path: string): readonly string[] {
  if (!isPlain(raw) || !isPlain(decoded)) return [];
  return Object.entries(raw)
    .flatMap(([name, value]) =>
      Object.hasOwn(decoded, name) ? unknownFields(value, decoded[name], `${path}.${name}`) : [`${path}.${name}`],
    )
    .sort();
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
