/** What a page names and what there is: links, files, npm scripts, objects, fields and reasons. */
import { dirname, join, normalize } from "node:path";
import { loadAll } from "js-yaml";
import { z } from "zod";
import type { Page } from "./markdown.ts";

/** What can be named. */
export interface World {
  readonly exists: (path: string) => boolean;
  readonly anchorsOf: (path: string) => ReadonlySet<string>;
  /** npm scripts, each with the sources in which its options are told. */
  readonly scripts: ReadonlyMap<string, string>;
  /** Fields of our kinds: `spec.gather`, `spec.extractor.tolerations[].key`. */
  readonly fields: ReadonlySet<string>;
  /** Fields of others' kinds that our pages speak of. */
  readonly foreignFields: ReadonlySet<string>;
  /** Names of objects and images that begin with `runtime-insights`. */
  readonly names: ReadonlySet<string>;
  /** Undefined when the object is fine. */
  readonly problemOfObject: (object: unknown) => string | undefined;
}

const roots = /^(?:\.\/)?(?:src|hack|e2e|docs|crds|manifests|bundle|extractor|\.github)\/[\w./*-]*$/;

/** Everything that is named and is not there, a sentence each. */
export function driftOf(path: string, page: Page, world: World): readonly string[] {
  const said = [...page.spans, ...page.commands];
  const problems = [
    ...page.links.flatMap((link) => linkProblems(path, link, world)),
    ...said.flatMap((text) => fileProblems(text, world)),
    ...said.flatMap((text) => scriptProblems(text, world)),
    ...said.flatMap((text) => patchProblems(text, world)),
    ...page.spans.flatMap((text) => fieldProblems(text, world)),
    ...said.flatMap((text) => nameProblems(text, world)),
    ...page.yaml.flatMap((text) => yamlProblems(text, world)),
  ];
  return [...new Set(problems)].map((problem) => `${path}: ${problem}`);
}

function linkProblems(path: string, link: string, { exists, anchorsOf }: World): readonly string[] {
  if (/^[a-z]+:/.test(link)) return [];
  const [file = "", anchor] = link.split("#");
  const target = file === "" ? path : normalize(join(dirname(path), file));
  if (!exists(target)) return [`link to ${link}, which is not there`];
  if (anchor === undefined || anchorsOf(target).has(anchor)) return [];
  return [`link to ${link}, which has no such heading`];
}

/** Words that look like paths of the clone; `NAME` in capitals is for the reader to fill in. */
function fileProblems(text: string, { exists }: World): readonly string[] {
  return text
    .split(/[\s'"=,;:()]+/)
    .filter((word) => roots.test(word) && !/[A-Z]{4}|\.\.\./.test(word) && !word.endsWith("/X"))
    .filter((word) => !exists(word.replace(/\.$/, "")))
    .map((word) => `file ${word}, which is not there`);
}

function scriptProblems(text: string, { scripts }: World): readonly string[] {
  return [...text.matchAll(/npm run (?:-s )?([a-z][\w:-]*)(?: -- ([^`]*))?/g)].flatMap(([, name = "", rest = ""]) => {
    const sources = scripts.get(name);
    if (sources === undefined) return [`npm run ${name}, which there is not`];
    return [...rest.matchAll(/(?:^| )--([a-z][a-z-]*)/g)]
      .filter(([, option = ""]) => !new RegExp(`["'\`]?\\b${option}\\b["'\`]?:|--${option}\\b`).test(sources))
      .map(([, option = ""]) => `npm run ${name} -- --${option}, an option that it does not have`);
  });
}

/** `kubectl patch ire ...` and `-o jsonpath=...` of our kinds. */
function patchProblems(text: string, world: World): readonly string[] {
  if (!/(?:kubectl|oc) .*\b(?:ire|rg|insightsruntimeextractors?|runtimegathers?)\b/.test(text)) return [];
  const patches = [...text.matchAll(/-p '([^']*)'/g)].flatMap(([, patch = ""]) => {
    const value: unknown = JSON.parse(patch);
    const merge = z.record(z.string(), z.unknown()).safeParse(value);
    if (merge.success) {
      const problem = world.problemOfObject({ kind: "InsightsRuntimeExtractor", ...merge.data });
      return [...(problem === undefined ? [] : [`patch ${patch}: ${problem}`])];
    }
    return z
      .array(z.looseObject({ path: z.string() }))
      .parse(value)
      .map(({ path }) => path.slice(1).replaceAll("/", "."))
      .filter((path) => !world.fields.has(path))
      .map((path) => `field ${path}, which no kind of ours has`);
  });
  const selected = [...text.matchAll(/jsonpath='?\{\.([\w.]+)/g)]
    .map(([, path = ""]) => path)
    .filter((path) => !path.startsWith("metadata.") && !world.fields.has(path) && !world.foreignFields.has(path))
    .map((path) => `field ${path}, which no kind of ours has`);
  return [...patches, ...selected];
}

function fieldProblems(text: string, { fields, foreignFields }: World): readonly string[] {
  const [, path = ""] = /^((?:spec|status)\.[A-Za-z.[\]]+[A-Za-z])(?:: .*)?$/.exec(text) ?? [];
  if (path === "" || fields.has(path) || foreignFields.has(path)) return [];
  return [`field ${path}, which no kind of ours has`];
}

/** By itself or behind the word for its kind, but not as part of a path, an image's address or a DNS name. */
const mention =
  /(?:^|[\s'"`=:,(]|\b(?:deploy|deployment|ds|daemonset|svc|service|sa|secret|configmap|lease)\/)(runtime-insights(?:-[a-z][a-z-]*)?)(?![\w./-])/g;

function nameProblems(text: string, { names }: World): readonly string[] {
  return [...text.matchAll(mention)]
    .map(([, name = ""]) => name)
    .filter((name) => !names.has(name))
    .map((name) => `name ${name}, which nothing has`);
}

function yamlProblems(text: string, { problemOfObject }: World): readonly string[] {
  return loadAll(text).flatMap((object) => {
    const problem = problemOfObject(object);
    return problem === undefined ? [] : [`example: ${problem}`];
  });
}
