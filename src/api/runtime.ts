/** What an exporter says about containers: `POST /gather_runtime_info`, with or without `?detail=true`. */
import { z } from "zod";

/** A framework, or whatever else was recognised beside the language runtime. */
export interface Component {
  readonly name: string;
  readonly version: string;
}

/** Empty strings are unknown. The exporter has hashed the values; in a detail they are clear text. */
export interface RuntimeInfo {
  readonly os: string;
  readonly osVersion: string;
  readonly kind: string;
  readonly kindVersion: string;
  readonly kindImplementer: string;
  /** Null when the answer has no such field: an empty list is an answer, nothing is none. */
  readonly runtimes: readonly Component[] | null;
}

export type Decoded<T> =
  | { readonly ok: true; readonly value: T }
  /** A sentence with the path of the field. */
  | { readonly ok: false; readonly problem: string };

/** What the exporters' hash makes of a value, and of an unknown one: whatever else a node says must not reach the archive, which holds no clear text of it. */
const said = z
  .string()
  .regex(/^(?:[A-Za-z0-9_-]{12})?$/, "it is not a hash")
  .nullish()
  .transform((text) => text ?? "");
const maxComponents = 64;
const maxNotes = 256;

const componentSchema = z
  .preprocess(foldKeys, z.object({ name: said, version: said }).nullish())
  .transform((value) => value ?? { name: "", version: "" });

const runtimeInfoSchema = z.preprocess(
  foldKeys,
  z
    .object({
      os: said,
      osversion: said,
      kind: said,
      kindversion: said,
      kindimplementer: said,
      runtimes: z.array(componentSchema).max(maxComponents).nullish(),
    })
    .nullish()
    .transform((value) => ({
      os: value?.os ?? "",
      osVersion: value?.osversion ?? "",
      kind: value?.kind ?? "",
      kindVersion: value?.kindversion ?? "",
      kindImplementer: value?.kindimplementer ?? "",
      runtimes: value?.runtimes ?? null,
    })),
);

/** A container's entry of the answer. Names of fields are matched as Go does: in any case, the last one wins, null is absence. */
export function decodeRuntimeInfo(value: unknown): Decoded<RuntimeInfo> {
  return decode(runtimeInfoSchema, value);
}

/** True for an entry that says nothing at all; an empty list of runtimes is something. */
export function saysNothing(info: RuntimeInfo): boolean {
  const { os, osVersion, kind, kindVersion, kindImplementer, runtimes } = info;
  return os + osVersion + kind + kindVersion + kindImplementer === "" && runtimes === null;
}

/** What a terminal would obey, or show in another order, is not shown. */
const unprintable = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;
const word = z
  .string()
  .max(1_024)
  .optional()
  .transform((value) => (value ?? "").toWellFormed().replaceAll(unprintable, "\ufffd"));

const detailSchema = z.object({
  containerName: word,
  runtimeInfo: z
    .object({
      os: word,
      osVersion: word,
      kind: word,
      kindVersion: word,
      kindImplementer: word,
      runtimes: z
        .array(z.object({ name: word, version: word }))
        .max(maxComponents)
        .optional(),
    })
    .optional()
    .transform((value) => ({
      os: value?.os ?? "",
      osVersion: value?.osVersion ?? "",
      kind: value?.kind ?? "",
      kindVersion: value?.kindVersion ?? "",
      kindImplementer: value?.kindImplementer ?? "",
      runtimes: value?.runtimes ?? null,
    })),
  notes: z
    .array(z.object({ about: word, reason: word, message: word }))
    .max(maxNotes)
    .optional()
    .transform((value) => value ?? []),
});

/** The part of a detail that the inventory shows, in clear text. */
export interface RuntimeDetail {
  readonly containerName: string;
  readonly runtimeInfo: RuntimeInfo;
  readonly notes: readonly { readonly about: string; readonly reason: string; readonly message: string }[];
}

/** The key `detail` that `?detail=true` adds to an entry; undefined when there is none. */
export function decodeDetail(entry: unknown): Decoded<RuntimeDetail | undefined> {
  if (!isRecord(entry) || entry.detail === undefined || entry.detail === null) return { ok: true, value: undefined };
  return decode(detailSchema, entry.detail);
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function decode<T>(schema: z.ZodType<T>, value: unknown): Decoded<T> {
  const result = schema.safeParse(value);
  if (result.success) return { ok: true, value: result.data };
  const [issue] = result.error.issues;
  const path = issue === undefined || issue.path.length === 0 ? "the entry" : issue.path.join(".");
  return { ok: false, problem: `${path}: ${issue?.message ?? "invalid"}` };
}

/** Lower-case keys, the last of equal ones winning unless it is null; U+017F and U+212A are the only others that Go folds to ASCII. */
function foldKeys(value: unknown): unknown {
  if (!isRecord(value)) return value;
  const folded = new Map<string, unknown>();
  for (const [key, field] of Object.entries(value)) {
    const name = key.replaceAll("\u017f", "s").replaceAll("\u212a", "k").toLowerCase();
    if (field !== null || !folded.has(name)) folded.set(name, field);
  }
  return Object.fromEntries(folded);
}
