/** Bundles with one defect each. */
import { dump, load } from "js-yaml";
import * as assert from "uvu/assert";
import { z } from "zod";
import { bundleFiles } from "./bundle.ts";
import type { Files } from "./files.ts";

export const good = bundleFiles({ version: "0.1.0" });
export const csv = "manifests/runtime-insights.clusterserviceversion.yaml";
export const crd = "manifests/runtimegathers.runtimes.insights.openshift.io.crd.yaml";
export const annotations = "metadata/annotations.yaml";

/** The bundle with that text replaced in that file, everywhere; it must be there. */
export function replaced(file: string, from: string | RegExp, to: string): Files {
  const text = good.get(file) ?? "";
  const made = text.replaceAll(from, to);
  assert.is.not(made, text, `${file} has no ${from}`);
  return new Map([...good, [file, made]]);
}

export const without = (file: string): Files => new Map([...good].filter(([path]) => path !== file));

/** The bundle with one more object. */
export const and = (object: object): Files => new Map([...good, ["manifests/more.yaml", dump(object)]]);

const nodeSchema = z.record(z.string(), z.unknown());

/** The bundle whose ClusterServiceVersion has that value at that path. */
export function withValue(path: readonly string[], value: unknown): Files {
  const put = (node: unknown, [key, ...rest]: readonly string[]): unknown => {
    if (key === undefined) return value;
    if (Array.isArray(node)) return node.map((one, at) => (`${at}` === key ? put(one, rest) : one));
    const fields = nodeSchema.parse(node);
    return { ...fields, [key]: put(fields[key], rest) };
  };
  return new Map([...good, [csv, dump(put(load(good.get(csv) ?? ""), path))]]);
}
