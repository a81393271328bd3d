/** The checks that need nothing but the sources: style, types, generated files that may be stale. */
import { join } from "node:path";
import { cargoEnv, cloneDir } from "./cache.ts";
import type { Step } from "./steps.ts";

export function checks({ fix }: { readonly fix: boolean }): Step[] {
  const extractor = join(cloneDir, "extractor");
  const rust = { report: "exit code", cwd: extractor, env: cargoEnv() } as const;
  return [
    {
      name: "biome",
      report: "exit code",
      command: ["biome", "check", "--error-on-warnings", ...(fix ? ["--write"] : []), "."],
    },
    { name: "tsc", report: "exit code", command: ["tsc", "-p", "."] },
    { name: "rustfmt", ...rust, command: ["cargo", "fmt", "--all", ...(fix ? [] : ["--check"])] },
    {
      name: "rustfmt of the fuzz targets",
      ...rust,
      cwd: join(extractor, "fuzz"),
      command: ["cargo", "fmt", ...(fix ? [] : ["--check"])],
    },
    {
      name: "clippy",
      ...rust,
      command: ["cargo", "clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"],
    },
    {
      name: "docs/runtimes.md is fresh",
      ...rust,
      command: [
        "cargo",
        ..."run --quiet --locked --package fingerprints --example runtimes".split(" "),
        ...(fix ? [] : ["--", "--check"]),
      ],
    },
    {
      name: "versions agree",
      report: "exit code",
      command: ["node", "hack/release/versions.ts", ...(fix ? [] : ["--check"])],
    },
    { name: "actionlint", report: "exit code", command: ["node", "hack/release/workflows.ts"] },
    { name: "crds are fresh", report: "exit code", command: ["node", "hack/crds.ts", ...(fix ? [] : ["--check"])] },
    {
      name: "bundle is fresh",
      report: "exit code",
      command: ["node", "hack/bundle/cli.ts", ...(fix ? [] : ["--check"])],
    },
    {
      name: "docs/permissions.md and docs/api.md are fresh",
      report: "exit code",
      command: ["node", "hack/docs/write.ts", ...(fix ? [] : ["--check"])],
    },
    {
      name: "docs/samples.md is fresh",
      report: "exit code",
      command: ["node", "hack/samples-doc.ts", ...(fix ? [] : ["--check"])],
    },
  ];
}
