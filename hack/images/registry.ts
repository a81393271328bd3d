/** What a registry has, asked with crane, which reads the usual docker config file for its login. */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { ensureBinaries } from "../cluster/binaries.ts";
import type { Log } from "../lock.ts";
import { withScratch } from "../scratch.ts";
import { explain } from "./push.ts";

const run = promisify(execFile);
const timeoutMs = 30_000;

type Answer =
  | { readonly kind: "digest"; readonly digest: string }
  | { readonly kind: "absent" | "refused" | "failed"; readonly said: string };

/** What crane's complaint means: there is no such image, the login may not read it, or anything else. */
export function complaintKind(said: string): "absent" | "refused" | "failed" {
  const error = said.slice(said.lastIndexOf("Error: "));
  if (/: (UNAUTHORIZED|DENIED)\b|status code 40[13]\b|40[13] (Unauthorized|Forbidden)/.test(error)) return "refused";
  return /: (MANIFEST_UNKNOWN|NAME_UNKNOWN|NOT_FOUND)\b|status code 404\b|404 Not Found/.test(error)
    ? "absent"
    : "failed";
}

/**
 * The digest under that name, or undefined when the registry says that there is none; throws with advice when it says anything else, a login
 * that may not read included: what cannot be seen may be there.
 */
export async function digestAt(ref: string, log: Log): Promise<string | undefined> {
  const crane = join(await ensureBinaries(["crane"], log), "crane");
  const first = await ask(crane, ref);
  const answer = first.kind === "refused" ? ((await askAsPusher(crane, ref)) ?? first) : first;
  if (answer.kind === "digest") return answer.digest;
  if (answer.kind === "absent") return undefined;
  const both =
    answer.kind === "refused"
      ? "\n  What is there is read before anything is pushed: the login has to be for both"
      : "";
  throw new Error(`asking the registry for ${ref}: ${explain(ref, answer.said)}${both}`);
}

async function ask(crane: string, ref: string, env: NodeJS.ProcessEnv = process.env): Promise<Answer> {
  try {
    const { stdout } = await run(crane, ["digest", ref], { timeout: timeoutMs, env });
    return { kind: "digest", digest: stdout.trim() };
  } catch (cause) {
    const said =
      (cause instanceof Error && "stderr" in cause ? String(cause.stderr) : String(cause)).trim() ||
      `no answer in ${timeoutMs / 1000} s`;
    return { kind: complaintKind(said), said };
  }
}

const tokenSchema = z.object({ token: z.string().min(1) });

/**
 * Some registries hide a repository that does not exist yet from a login that asks to read, and tell one that may push, which makes it, the
 * truth. Undefined when the registry gives no token for that.
 */
async function askAsPusher(crane: string, ref: string): Promise<Answer | undefined> {
  const repository = ref.replace(/[:@][^/]*$/, "");
  const answer = await run(crane, ["auth", "token", "--push", repository], { timeout: timeoutMs }).catch(
    () => undefined,
  );
  if (answer === undefined) return undefined;
  const { token } = tokenSchema.parse(JSON.parse(answer.stdout));
  const registry = ref.split("/")[0] ?? "";
  // Docker's own registry goes by the second in its config files.
  const keys = [registry, `https://index.${registry.replace(/^index\./, "")}/v1/`];
  const auths = Object.fromEntries(keys.map((key) => [key, { registrytoken: token }]));
  return withScratch((dir) => {
    writeFileSync(join(dir, "config.json"), JSON.stringify({ auths }), { mode: 0o600 });
    return ask(crane, ref, { ...process.env, DOCKER_CONFIG: dir });
  });
}

export interface Named {
  /** With its tag. */
  readonly ref: string;
  readonly digest: string;
}

/** Those whose tag means something else in the registry, with the digest that it has there. */
export async function takenTags<T extends Named>(
  images: readonly T[],
  log: Log,
): Promise<readonly (T & { readonly there: string })[]> {
  const answers = await Promise.all(images.map(async (image) => ({ image, there: await digestAt(image.ref, log) })));
  return answers.flatMap(({ image, there }) =>
    there === undefined || there === image.digest ? [] : [{ ...image, there }],
  );
}

/** Those that the registry does not have. */
export async function absentImages(images: readonly Named[], log: Log): Promise<readonly Named[]> {
  const answers = await Promise.all(images.map((image) => digestAt(byDigest(image), log)));
  return images.filter((_, at) => answers[at] === undefined);
}

export const byDigest = ({ ref, digest }: Named): string => `${ref.replace(/:[^:/]*$/, "")}@${digest}`;
