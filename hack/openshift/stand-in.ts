/** The config operator's stand-in, made ready to run for as long as a cluster lives, whatever becomes of the clone. */
import { copyFileSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { openshiftApiDir } from "./objects.ts";

/** Client-node holds CommonJS packages that ask for built-ins by `require`. */
const banner = 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';

/** The command that runs it; program and feature gates are copied below `dir`. */
export async function standInCommand(dir: string, kubeconfig: string): Promise<readonly string[]> {
  const program = join(dir, "config-operator.mjs");
  const gates = join(dir, "feature-gates");
  mkdirSync(gates, { recursive: true });
  await build({
    entryPoints: [join(import.meta.dirname, "config-operator.ts")],
    outfile: program,
    bundle: true,
    platform: "node",
    target: "node24",
    format: "esm",
    banner: { js: banner },
    logLevel: "warning",
  });
  const source = join(await openshiftApiDir(), "payload-manifests/featuregates");
  for (const file of readdirSync(source)) copyFileSync(join(source, file), join(gates, file));
  return [process.execPath, program, kubeconfig, gates];
}
