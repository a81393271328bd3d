/** Which versions were released, and which may be: the data of hack/release/releases.yaml. The channels made from it: hack/bundle/graph.ts. */
import { compare, gt, parse, prerelease, rcompare } from "semver";
import { z } from "zod";
import { type ChannelName, channelNames } from "../bundle/graph.ts";

const releaseSchema = z.strictObject({
  version: z.string().refine((text) => parse(text)?.version === text, "is no version X.Y.Z"),
  date: z.iso.date(),
  /** The last channel of `channelNames` that has it. */
  channel: z.enum(channelNames),
  /** Where its images were pushed to. */
  registry: z.string().min(1),
  /** Of the bundle image, which names all others by theirs. */
  bundle: z.string().regex(/^sha256:[0-9a-f]{64}$/),
});
export type Release = z.infer<typeof releaseSchema>;

/** Of the file; the newest version comes last. */
export const releasesSchema = z
  .strictObject({ releases: z.array(releaseSchema) })
  .refine(
    ({ releases }) => releases.every(({ version }, at) => at === 0 || gt(version, releases[at - 1]?.version ?? "")),
    "the versions do not grow from one release to the next",
  );

export interface Wish {
  readonly version: string;
  readonly channel: ChannelName;
  readonly released: readonly Release[];
}

/** One sentence per reason why this version cannot be released, beside what is in the tree. */
export function wishProblems({ version, channel, released }: Wish): readonly string[] {
  const parsed = parse(version);
  if (parsed === null || parsed.version !== version || parsed.build.length > 0)
    return [`"${version}" is no version: it has the form X.Y.Z or X.Y.Z-NAME, as in 1.4.0 or 1.4.0-rc.1`];
  const newest = released.at(-1);
  const problems: string[] = [];
  if (newest !== undefined && gt(newest.version, version) && !released.some((one) => one.version === version))
    problems.push(`${version} is older than ${newest.version}, which is released: choose a newer version`);
  if (channel === "stable" && prerelease(version) !== null)
    problems.push(`${version} is a pre-release: channel stable is not for it`);
  const known = released.find((one) => one.version === version);
  if (known?.channel === "stable" && channel === "candidate")
    problems.push(`${version} is in channel stable already: who installed it from there would lose it`);
  return problems;
}

/** The version that this one is upgraded from, if any: the newest older one. */
export const previousOf = (version: string, released: readonly Release[]): string | undefined =>
  released
    .map((one) => one.version)
    .filter((one) => gt(version, one))
    .sort(rcompare)[0];

/** The releases once this one is among them, in order; the entry of the same version is replaced. */
export const withRelease = (released: readonly Release[], release: Release): readonly Release[] =>
  [...released.filter(({ version }) => version !== release.version), release].sort((a, b) =>
    compare(a.version, b.version),
  );
