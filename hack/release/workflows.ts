/** Has actionlint check .github/workflows; exit code 1 when it finds something. Needs Go. Leaves nothing but the build cache. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { say } from "../build.ts";
import { cloneDir } from "../cache.ts";
import { ensureBinaries } from "../cluster/binaries.ts";

const folder = join(cloneDir, ".github/workflows");
const actionlint = join(await ensureBinaries(["actionlint"], say), "actionlint");
// The same findings whatever else is installed.
const args = ["-shellcheck=", "-pyflakes=", ...readdirSync(folder).map((name) => join(folder, name))];
process.exitCode = spawnSync(actionlint, args, { cwd: cloneDir, stdio: "inherit" }).status ?? 1;
