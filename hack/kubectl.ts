/** kubectl on a cluster of hack/cluster, as an administrator would type it. */
import { execFile, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

/** Where kubectl and its kube config lie; a Cluster of hack/cluster fits. */
export interface Access {
  readonly kubectl: string;
  readonly kubeconfig: string;
}

/** What kubectl printed; throws with its error text when it failed. `input` goes to its standard input. */
export function kubectl(access: Access, args: readonly string[], input?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      access.kubectl,
      ["--kubeconfig", access.kubeconfig, ...args],
      { maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`kubectl ${args.join(" ")}: ${stderr.trim() || error.message}`, { cause: error }));
      },
    );
    // One that has ended before it read everything says by its exit code how it went.
    child.stdin?.on("error", () => {});
    child.stdin?.end(input ?? "");
  });
}

/** Asks until the answer is there; throws with the last answer's words when it does not come in time. */
export async function waitFor<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  { timeoutMs = 120_000, everyMs = 500 }: { readonly timeoutMs?: number; readonly everyMs?: number } = {},
): Promise<T> {
  const endMs = Date.now() + timeoutMs;
  let lastError: unknown;
  while (Date.now() < endMs) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
      lastError = undefined;
    } catch (cause) {
      lastError = cause;
    }
    await sleep(everyMs);
  }
  const words =
    lastError === undefined ? "" : `: ${lastError instanceof Error ? lastError.message : String(lastError)}`;
  throw new Error(`waiting for ${what}: not within ${timeoutMs / 1000} s${words}`, { cause: lastError });
}

/** Our CRDs, for `waitForKinds`. */
export const ownKinds = ["crd", "-l", "app.kubernetes.io/part-of=runtime-insights"] as const;

/** Waits until the CRDs of that selection are served; `kubectl wait` alone gives up on one that has no conditions yet. */
export async function waitForKinds(access: Access, selection: readonly string[]): Promise<void> {
  const wait = ["wait", "--for=condition=Established", "--timeout=5s", ...selection];
  await waitFor(`kubectl ${wait.join(" ")}`, () => kubectl(access, wait), { timeoutMs: 60_000, everyMs: 200 });
}

export interface Forward {
  /** On 127.0.0.1 of this machine. */
  readonly port: number;
  close(): void;
}

/** A local port that leads to a port of a pod or service until it is closed. */
export function portForward(
  access: Access,
  { namespace, target, port }: { readonly namespace: string; readonly target: string; readonly port: number },
): Promise<Forward> {
  const args = ["--kubeconfig", access.kubeconfig, "-n", namespace, "port-forward", target, `:${port}`];
  const child = spawn(access.kubectl, args, { stdio: ["ignore", "pipe", "pipe"] });
  return new Promise((resolve, reject) => {
    let said = "";
    const hear = (chunk: Buffer) => {
      said += chunk.toString("utf8");
      const local = /127\.0\.0\.1:(\d+)/.exec(said)?.[1];
      if (local !== undefined) resolve({ port: Number(local), close: () => child.kill() });
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.on("error", reject);
    child.on("close", () => reject(new Error(`port-forward to ${target}: ${said.trim()}`)));
  });
}
