/** The field's own programs that judge a bundle, beside our own rules. */
import { type ExecFileException, execFile } from "node:child_process";
import { constants, copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { ensureBinaries } from "../cluster/binaries.ts";
import type { Log } from "../lock.ts";
import { type CatalogueBundle, writeCatalogue } from "./catalogue.ts";
import { type Files, writeFolder } from "./files.ts";
import { bundleFaults } from "./lint.ts";
import { scorecardTests } from "./scorecard.ts";

type ScorecardTest = (typeof scorecardTests)[number]["entrypoint"];
export type Checker = "validators" | "opm" | "ours" | ScorecardTest;
export const allCheckers: readonly Checker[] = [
  "validators",
  "opm",
  "ours",
  ...scorecardTests.map(({ entrypoint }) => entrypoint),
];

/** What a checker has against a bundle, and nobody has explained. */
export interface Finding {
  readonly checker: Checker;
  readonly text: string;
}

/** Suggestions of the scorecard that are right and stay, each with the reason. */
const explained: readonly { readonly suggestion: RegExp; readonly reason: string }[] = [
  {
    suggestion: /does not have status spec/,
    reason: "it looks for a status in the examples, which an API server would drop; the CRDs have one",
  },
];

export interface Checkers {
  /** What they say, in the order of `allCheckers`; default: all of them are asked. */
  findings(files: Files, asked?: readonly Checker[]): Promise<readonly Finding[]>;
  close(): void;
}

/** Every checker, built where it is missing. Close them at the end. */
export async function prepareCheckers(log: Log): Promise<Checkers> {
  const programs = await ensureBinaries(["bundle-check", "opm", "scorecard-test"], log);
  // The scorecard reads /bundle and nothing else, so it gets a root of its own.
  const root = mkdtempSync(join(tmpdir(), "runtime-insights-scorecard-"));
  copyFileSync(join(programs, "scorecard-test"), join(root, "scorecard-test"), constants.COPYFILE_FICLONE);
  const dir = join(root, "bundle");
  return {
    findings: async (files, asked = allCheckers) => {
      writeFolder(dir, files);
      const texts = await Promise.all(
        asked.map(async (checker) => {
          switch (checker) {
            case "validators":
              return validators(join(programs, "bundle-check"), dir);
            case "opm":
              return opm(join(root, "catalogue"), { dir });
            case "ours":
              return bundleFaults(files);
            default:
              return scorecard(root, checker);
          }
        }),
      );
      return asked.flatMap((checker, at) => (texts[at] ?? []).map((text) => ({ checker, text })));
    },
    close: () => rmSync(root, { recursive: true, force: true }),
  };
}

interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

const outcome = (program: string, args: readonly string[]): Promise<Outcome> =>
  new Promise((resolve, reject) => {
    const done = (error: ExecFileException | null, stdout: string, stderr: string) => {
      if (error !== null && typeof error.code !== "number") reject(error);
      else resolve({ stdout, stderr, code: error === null ? 0 : Number(error.code) });
    };
    execFile(program, args, { maxBuffer: 64 * 1024 * 1024, timeout: 60_000 }, done);
  });

const linesOf = (text: string): readonly string[] => text.split("\n").filter((line) => line.trim() !== "");

async function validators(program: string, dir: string): Promise<readonly string[]> {
  const { stdout, stderr, code } = await outcome(program, [dir]);
  const lines = linesOf(stdout).filter((line) => !line.startsWith("explained: "));
  if ((code === 0) !== (lines.length === 0)) throw new Error(`bundle-check ended with ${code}: ${stdout}${stderr}`);
  return lines;
}

async function opm(dir: string, bundle: CatalogueBundle): Promise<readonly string[]> {
  try {
    await writeCatalogue(dir, { bundles: [bundle] });
    return [];
  } catch (cause) {
    return [cause instanceof Error ? cause.message : String(cause)];
  }
}

const resultSchema = z.object({
  results: z.array(
    z.looseObject({
      state: z.enum(["pass", "fail", "error"]),
      errors: z.array(z.string()).default([]),
      suggestions: z.array(z.string()).default([]),
    }),
  ),
});

async function scorecard(root: string, test: ScorecardTest): Promise<readonly string[]> {
  const inRoot = process.getuid?.() === 0 ? ["chroot", root] : ["unshare", "--map-root-user", `--root=${root}`];
  const [program = "", ...args] = [...inRoot, "/scorecard-test", test];
  const { stdout, stderr, code } = await outcome(program, args);
  if (code !== 0) return linesOf(stderr);
  return resultSchema.parse(JSON.parse(stdout)).results.flatMap(({ state, errors, suggestions }) => {
    const open = suggestions.filter((text) => !explained.some(({ suggestion }) => suggestion.test(text)));
    const texts = [...errors, ...open];
    return texts.length === 0 && state !== "pass" ? [state] : texts;
  });
}
