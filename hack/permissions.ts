/** Compares what the shipped rules allow our service accounts with the calls that a test run saw. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { loadAll } from "js-yaml";
import { z } from "zod";
import { cloneDir } from "./cache.ts";
import { type Call, keptCalls, type Resource } from "./cluster/audit.ts";
import { noTests, type Tally } from "./steps.ts";

/** One verb on one resource or path that one account may use. */
export interface Grant {
  readonly account: string;
  readonly verb: string;
  readonly resource?: Resource;
  /** May end in `*`. */
  readonly url?: string;
}

/** Never a call of the account's own: who asks instead, and which test shows that the grant is needed. */
const askedByOthers: readonly { readonly verb: string; readonly resource: string; readonly why: string }[] = [
  {
    verb: "use",
    resource: "securitycontextconstraints",
    why: "OpenShift's admission asks when it chooses a pod's constraints; no such admission runs here",
  },
  {
    verb: "delete",
    resource: "leases",
    why: "the admission of owner references asks when the Lease gets one",
  },
  {
    verb: "bind",
    resource: "clusterroles",
    why: "the API server asks when a binding is made, and writes no line of it: e2e/api/permissions.test.ts",
  },
];

const rulesSchema = z
  .array(
    z.object({
      apiGroups: z.array(z.string()).default([]),
      resources: z.array(z.string()).default([]),
      resourceNames: z.array(z.string()).default([""]),
      nonResourceURLs: z.array(z.string()).default([]),
      verbs: z.array(z.string()),
    }),
  )
  .default([]);
const objectSchema = z.object({
  kind: z.string(),
  metadata: z.object({ name: z.string(), namespace: z.string().default("") }),
  rules: rulesSchema,
  roleRef: z.object({ kind: z.string(), name: z.string() }).optional(),
  subjects: z.array(z.object({ name: z.string() })).default([]),
});
export type Manifest = z.infer<typeof objectSchema>;

/** All objects of manifests/. */
export function readManifests(): readonly Manifest[] {
  const dir = join(cloneDir, "manifests");
  return readdirSync(dir)
    .filter((file) => /^[0-9].*\.yaml$/.test(file))
    .flatMap((file) => loadAll(readFileSync(join(dir, file), "utf8")))
    .map(asManifest);
}

export const asManifest = (object: unknown): Manifest => objectSchema.parse(object);

/** What each account may do: by the bindings that are shipped, and by those that the operator makes, role and account being of one name. */
export function grantsOf(objects: readonly Manifest[]): readonly Grant[] {
  const isRole = ({ kind }: Manifest) => kind === "Role" || kind === "ClusterRole";
  const bound = objects.flatMap(({ metadata: { namespace }, roleRef, subjects }) => {
    const role = objects.find(
      ({ kind, metadata }) =>
        kind === roleRef?.kind &&
        metadata.name === roleRef.name &&
        metadata.namespace === (kind === "Role" ? namespace : ""),
    );
    return role === undefined ? [] : subjects.map(({ name }) => ({ account: name, role, namespace }));
  });
  const others = objects
    .filter((object) => isRole(object) && !bound.some(({ role }) => role === object))
    .map((role) => ({ account: role.metadata.name, role, namespace: "" }));
  return [...bound, ...others].flatMap(({ account, role: { rules }, namespace }) =>
    rules.flatMap(({ apiGroups, resources, resourceNames, nonResourceURLs, verbs }) =>
      verbs.flatMap((verb): Grant[] => [
        ...nonResourceURLs.map((url) => ({ account, verb, url })),
        ...apiGroups.flatMap((group) =>
          resources.flatMap((resource) =>
            resourceNames.map((name) => ({ account, verb, resource: { group, resource, namespace, name } })),
          ),
        ),
      ]),
    ),
  );
}

/** Whether the call needs this grant, or could do with it. */
export function allows(grant: Grant, call: Call): boolean {
  if (grant.account !== call.account || grant.verb !== call.verb) return false;
  if (grant.url !== undefined || call.url !== undefined)
    return grant.url !== undefined && call.url !== undefined && covers(grant.url, call.url);
  const [may, does] = [grant.resource, call.resource];
  if (may === undefined || does === undefined) return false;
  return (
    may.group === does.group &&
    may.resource === does.resource &&
    (may.namespace === "" || may.namespace === does.namespace) &&
    (may.name === "" || may.name === does.name)
  );
}

const covers = (pattern: string, url: string) =>
  pattern.endsWith("*") ? url.startsWith(pattern.slice(0, -1)) : pattern === url;

export interface Verdict {
  /** Grants that no call used, but for those that others ask about. */
  readonly unused: readonly Grant[];
  /** Calls of these accounts that the rules do not allow. What they do allow is refused as well in a namespace that is going, and by an API server that has just started. */
  readonly refused: readonly Call[];
}

export function judge(grants: readonly Grant[], calls: readonly Call[]): Verdict {
  const allowed = calls.filter(({ refused }) => refused === undefined);
  return {
    unused: grants.filter(
      (grant) =>
        !askedByOthers.some(({ verb, resource }) => verb === grant.verb && resource === grant.resource?.resource) &&
        !allowed.some((call) => allows(grant, call)),
    ),
    refused: calls.filter(
      (call) =>
        call.refused !== undefined &&
        grants.some(({ account }) => account === call.account) &&
        !grants.some((grant) => allows(grant, call)),
    ),
  };
}

/** One line for one of them. */
export function told({ account, verb, resource, url }: Grant | Call): string {
  if (resource === undefined) return `${account}: ${verb} ${url ?? ""}`;
  const { group, resource: plural, namespace, name } = resource;
  const what = group === "" ? plural : `${plural}.${group}`;
  return `${account}: ${verb} ${what}${name === "" ? "" : ` ${name}`}${namespace === "" ? "" : ` in ${namespace}`}`;
}

/**
 * Says what the calls kept in that folder tell of the shipped rules, and counts it as a test. Whether a grant is ever used can be
 * told only after everything has run.
 */
export function checkPermissions(folder: string, { everything }: { readonly everything: boolean }): Tally {
  const { unused, refused } = judge(grantsOf(readManifests()), keptCalls(folder));
  if (!everything)
    console.log("whether all of manifests/ is needed cannot be told, since not every kind of test has run");
  const wrong = [
    ...refused.map((call) => `refused ${told(call)}: ${call.refused}`),
    ...(everything ? unused.map((grant) => `never used ${told(grant)}`) : []),
  ];
  if (wrong.length === 0) return { ...noTests, passed: 1 };
  return { ...noTests, failed: 1, failures: [{ step: "permissions", file: undefined, text: wrong.join("\n") }] };
}
