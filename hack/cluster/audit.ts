/** Which calls our service accounts made: the API server's audit log, put together into a few lines per server. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { z } from "zod";

const namespace = "runtime-insights";
const accountPrefix = `system:serviceaccount:${namespace}:`;
/** Set by the test run; without it nothing is kept. */
const folderVariable = "RUNTIME_INSIGHTS_CALLS";
const logName = "audit";

/** No body is written but that of access reviews, which hold a user and a path: so the paths that a proxy asks for are known. */
const policy = {
  apiVersion: "audit.k8s.io/v1",
  kind: "Policy",
  omitStages: ["RequestReceived"],
  rules: [
    {
      level: "RequestResponse",
      userGroups: [`system:serviceaccounts:${namespace}`],
      resources: [{ group: "authorization.k8s.io", resources: ["subjectaccessreviews"] }],
    },
    { level: "Metadata", userGroups: [`system:serviceaccounts:${namespace}`] },
    { level: "None" },
  ],
};

/** The API server's flags; the policy is written below its folder, where its log lies as well. */
export function auditFlags(dir: string): readonly string[] {
  const policyFile = join(dir, "audit-policy.json");
  mkdirSync(dir, { recursive: true });
  writeFileSync(policyFile, JSON.stringify(policy));
  return [
    `--audit-policy-file=${policyFile}`,
    `--audit-log-path=${join(dir, `${logName}.log`)}`,
    ...["--audit-log-maxsize=64", "--audit-log-maxbackup=8"],
  ];
}

/** `""` stands for what has no name or namespace, and in a grant for all of them. */
export interface Resource {
  readonly group: string;
  /** With the subresource behind a slash. */
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
}

/** A call of one of our accounts; equal ones are one, whatever their number. */
export interface Call {
  /** Without its namespace. */
  readonly account: string;
  readonly verb: string;
  readonly resource?: Resource;
  readonly url?: string;
  /** The API server's words when it did not allow the call. */
  readonly refused?: string;
}

const text = z.string().default("");
const eventSchema = z.object({
  verb: z.string(),
  requestURI: z.string(),
  user: z.object({ username: z.string() }),
  objectRef: z.object({ apiGroup: text, resource: text, subresource: text, namespace: text, name: text }).optional(),
  responseStatus: z.object({ code: z.int().default(0), message: text }).optional(),
  responseObject: z.unknown().optional(),
});
const reviewSchema = z.object({
  spec: z.object({ user: text, nonResourceAttributes: z.object({ path: z.string(), verb: z.string() }).optional() }),
  status: z.object({ allowed: z.boolean().default(false), reason: text }),
});

/** The calls that one line of the log stands for: what was asked, what the API server asked itself, what a proxy had reviewed. */
export function callsOf(line: unknown): readonly Call[] {
  const event = eventSchema.safeParse(line);
  if (!event.success) return [];
  const { verb, requestURI, user, objectRef, responseStatus, responseObject } = event.data;
  if (!user.username.startsWith(accountPrefix)) return [];
  const account = user.username.slice(accountPrefix.length);
  const code = responseStatus?.code ?? 0;
  const refused = code === 403 ? { refused: responseStatus?.message || "403" } : {};
  if (objectRef === undefined) return [{ account, verb, url: requestURI.replace(/\?.*/, ""), ...refused }];
  const { apiGroup: group, resource: plural, subresource, namespace: where, name } = objectRef;
  const resource = {
    group,
    resource: subresource === "" ? plural : `${plural}/${subresource}`,
    namespace: where,
    name,
  };
  const calls: Call[] = [{ account, verb, resource, ...refused }];
  // Server-side apply of what is not there: the API server asks whether its maker may create it, by name.
  if (verb === "patch" && code === 201) calls.push({ account, verb: "create", resource });
  const review = reviewSchema.safeParse(responseObject);
  if (review.success) calls.push(...reviewed(review.data));
  return calls;
}

/** A refused review is no refused call: the proxy asks about whoever comes. */
function reviewed({ spec: { user, nonResourceAttributes }, status }: z.infer<typeof reviewSchema>): readonly Call[] {
  if (!status.allowed || nonResourceAttributes === undefined || !user.startsWith(accountPrefix)) return [];
  const { path: url, verb } = nonResourceAttributes;
  return [{ account: user.slice(accountPrefix.length), verb, url }];
}

/** Keeps the calls of the API server whose folder this is for the end of the test run; does nothing outside one, or when there is none. */
export function keepCalls(dir: string): void {
  const folder = process.env[folderVariable];
  if (folder === undefined || !existsSync(dir)) return;
  const logs = readdirSync(dir).filter((name) => name.startsWith(logName) && name.endsWith(".log"));
  const calls = new Set<string>();
  for (const log of logs)
    for (const line of readFileSync(join(dir, log), "utf8").split("\n"))
      for (const call of callsOf(parsed(line))) calls.add(JSON.stringify(call));
  writeFileSync(join(folder, `${basename(dirname(dir))}-${basename(dir)}.jsonl`), [...calls].sort().join("\n"));
}

/** Undefined for the last line of a server that was killed, which may be cut off. */
function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** From now on calls are kept in that folder, by this process and those that it starts. */
export function keepCallsIn(folder: string): void {
  process.env[folderVariable] = folder;
}

const callSchema = z.object({
  account: z.string(),
  verb: z.string(),
  resource: z
    .object({ group: z.string(), resource: z.string(), namespace: z.string(), name: z.string() })
    .exactOptional(),
  url: z.string().exactOptional(),
  refused: z.string().exactOptional(),
});

/** What was kept there. */
export function keptCalls(folder: string): readonly Call[] {
  return readdirSync(folder).flatMap((name) =>
    readFileSync(join(folder, name), "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => callSchema.parse(JSON.parse(line))),
  );
}
