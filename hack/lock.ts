/** One run at a time, over all clones on a machine. */
import { spawn } from "node:child_process";

export type Log = (line: string) => void;

/** Runs `work` while no other process holds the lock on that file. The kernel frees it when its holder dies, however that happens. */
export async function withLock<T>(path: string, log: Log, work: () => Promise<T>): Promise<T> {
  // `cat` ends with this process, whose end of the pipe closes then; a group of its own keeps Ctrl-C away from it until that.
  const holder = spawn("flock", [path, "sh", "-c", "echo held; exec cat"], {
    detached: true,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve) => holder.once("close", () => resolve()));
  const waiting = setTimeout(() => log(`Waiting for another run of this project, which holds ${path} ...`), 500);
  try {
    await new Promise<void>((resolve, reject) => {
      holder.stdout.once("data", () => resolve());
      holder.once("error", (cause) => reject(new Error(`locking ${path}: ${cause.message}`, { cause })));
      holder.once("exit", (code) => reject(new Error(`locking ${path}: flock ended with ${code}`)));
    });
  } finally {
    clearTimeout(waiting);
  }
  try {
    return await work();
  } finally {
    holder.stdin.on("error", () => {});
    holder.stdin.end();
    await ended;
  }
}
