/** The licence texts of what is in an image, below `licenses/`, and the SPDX expression that says all their licences. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import parse from "spdx-expression-parse";
import { cloneDir } from "../cache.ts";
import { copy, type Entry, hardlink } from "./entries.ts";

export interface LicenseText {
  /** Below the part's own folder, `goyaml.v2/LICENSE`. */
  readonly path: string;
  /** Of this machine, with the content. */
  readonly file: string;
}

export interface Licensed {
  /** Package URL. */
  readonly purl: string;
  /** An SPDX expression; what is none stops an image with the part. */
  readonly license: string;
  /** At least one, or an image with the part is stopped. */
  readonly texts: readonly LicenseText[];
}

export const ownLicense = join(cloneDir, "LICENSE");

const isNamedAsText = (name: string): boolean =>
  /^((un)?licen[cs]e|copying|copyright|notice|patents)/i.test(name) && !/\.(go|rs|[cm]?[jt]s|sh|py)$/i.test(name);

/** The texts in those folders and in the ones above them, up to the part's own folder `root`, by name. */
export function textsAbove(folders: Iterable<string>, root: string): readonly LicenseText[] {
  const seen = new Set<string>();
  for (const start of folders)
    for (let at = start; !seen.has(at) && !relative(root, at).startsWith(".."); at = dirname(at)) seen.add(at);
  return [...seen].sort().flatMap((folder) =>
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isFile() && isNamedAsText(entry.name))
      .map(({ name }) => join(folder, name))
      .sort()
      .map((file) => ({ path: relative(root, file), file })),
  );
}

/** Where an image has the texts of a part, from its root: the name in a bill of materials leads there. */
export const folderOf = (purl: string): string =>
  `licenses/third-party/${decodeURIComponent(purl.replace(/^pkg:/, "").replace(/\?.*$/, ""))}`;

/**
 * `licenses/LICENSE` with the content of the file `own`, and the texts of all parts; equal ones are one file with several names.
 * Throws when a part has no text, or no licence by an SPDX expression.
 */
export function licenseEntries(own: string, parts: readonly Licensed[]): readonly Entry[] {
  refuseUnknown(parts);
  const files = new Map([["licenses/LICENSE", own]]);
  for (const { purl, texts } of parts) for (const { path, file } of texts) files.set(`${folderOf(purl)}/${path}`, file);
  const first = new Map<string, string>();
  return [...files]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([path, file]) => {
      const digest = createHash("sha256").update(readFileSync(file)).digest("hex");
      const known = first.get(digest);
      if (known !== undefined) return hardlink(path, known);
      first.set(digest, path);
      return copy(path, file);
    });
}

function refuseUnknown(parts: readonly Licensed[]): void {
  const problems = parts.flatMap(({ purl, license, texts }) => [
    ...(texts.some(({ file }) => readFileSync(file).length > 0) ? [] : [`${purl}: no licence text was found`]),
    ...(isExpression(license) ? [] : [`${purl}: its licence, "${license}", is no SPDX expression`]),
  ]);
  if (problems.length > 0)
    throw new Error(
      `An image has to say the licences of all that is in it.\n${problems.join("\n")}\nRead what the part says of itself, and add it to hack/images/parts.ts (docs/images.md, Licences).`,
    );
}

function isExpression(license: string): boolean {
  try {
    parse(license);
    return true;
  } catch {
    return false;
  }
}

/** All of the SPDX expressions as one, sorted. A choice is left out when one of its sides is there without a choice. */
export function expressionOf(licenses: readonly string[]): string {
  const terms = licenses.flatMap((license) => sidesOf(parse(license), "and"));
  const settled = new Set(terms.filter(isOne).map(spelled));
  const open = terms.filter((term) => !isOne(term) && !sidesOf(term, "or").some((side) => isSettled(side, settled)));
  return [...new Set([...settled, ...open.map(spelled)])].sort().join(" AND ");
}

const isOne = (term: parse.Info): term is parse.LicenseInfo => "license" in term;
const isSettled = (side: parse.Info, settled: ReadonlySet<string>): boolean =>
  sidesOf(side, "and").every((one) => settled.has(spelled(one)));

const sidesOf = (term: parse.Info, conjunction: parse.ConjunctionInfo["conjunction"]): readonly parse.Info[] =>
  isOne(term) || term.conjunction !== conjunction
    ? [term]
    : [...sidesOf(term.left, conjunction), ...sidesOf(term.right, conjunction)];

function spelled(term: parse.Info): string {
  if (isOne(term)) {
    const { license, plus, exception } = term;
    return `${license}${plus === true ? "+" : ""}${exception === undefined ? "" : ` WITH ${exception}`}`;
  }
  const sides = sidesOf(term, term.conjunction).map(spelled);
  return `(${[...new Set(sides)].sort().join(` ${term.conjunction.toUpperCase()} `)})`;
}

/** In lower case, with one space between words. */
const wordings: readonly (readonly [string, RegExp])[] = [
  ["Apache-2.0", /apache license,? version 2\.0/],
  ["BSD-2-Clause", /redistribution and use in source and binary forms(?!.*(endorse|promote))/],
  ["BSD-3-Clause", /redistribution and use in source and binary forms.*(endorse|promote)/],
  [
    "ISC",
    /permission to use, copy, modify, and(\/or)? distribute this software for any purpose with or without fee is hereby granted, provided/,
  ],
  ["MIT", /permission is hereby granted, free of charge, to any person obtaining a copy of this software/],
  ["MPL-2.0", /mozilla public license,? version 2\.0/],
];

/** What the texts are, for packages that name no licence; empty when one of them is none that we know. */
export function licenseIn(texts: readonly LicenseText[]): string {
  const licenses = texts
    .filter(({ path }) => !/(^|\/)(notice|patents|copyright)[^/]*$|\.docs$/i.test(path))
    .map(({ file }) => {
      const words = readFileSync(file, "utf8")
        .toLowerCase()
        .replaceAll(/[^!-~]+/g, " ");
      return wordings.filter(([, wording]) => wording.test(words)).map(([id]) => id);
    });
  return licenses.every((known) => known.length > 0) ? [...new Set(licenses.flat())].sort().join(" AND ") : "";
}
