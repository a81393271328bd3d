/** What makes a cluster look as if prometheus-operator were installed: its CRDs, not its program. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { type Access, kubectl, waitForKinds } from "./kubectl.ts";

const run = promisify(execFile);
const moduleName = "github.com/prometheus-operator/prometheus-operator";
const cwd = join(import.meta.dirname, "cluster/tools/prometheus-operator");

/** Applies the kinds ServiceMonitor and PrometheusRule of the pinned version and waits until they are established. */
export async function applyMonitoringKinds(access: Access): Promise<void> {
  const { stdout } = await run("go", ["mod", "download", "-json", moduleName], { cwd });
  const { Dir } = z.object({ Dir: z.string() }).parse(JSON.parse(stdout));
  const files = ["servicemonitors", "prometheusrules"].flatMap((plural) => [
    "-f",
    join(Dir, `example/prometheus-operator-crd/monitoring.coreos.com_${plural}.yaml`),
  ]);
  await kubectl(access, ["apply", "--server-side", ...files]);
  await waitForKinds(access, files);
}
