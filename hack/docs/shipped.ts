/** Reads what docs/permissions.md is about: manifests/, and the operands as the operator makes them by default. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { loadAll } from "js-yaml";
import { defaultSettings, type Settings } from "../../src/api/config.ts";
import type { KubeObject } from "../../src/api/object.ts";
import { desiredGathererSide, desiredNodeSide } from "../../src/core/desired.ts";
import { cloneDir } from "../cache.ts";
import type { Shipped } from "./permissions-page.ts";

const dir = join(cloneDir, "manifests");

export function readShipped(): Shipped {
  const files = readdirSync(dir, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".yaml") && !file.endsWith("kustomization.yaml"))
    .sort();
  const read = (file: string) => loadAll(readFileSync(join(dir, file), "utf8"));
  return {
    manifests: files.filter((file) => !file.includes("/")).flatMap(read),
    standalone: files.filter((file) => file.includes("/")).flatMap(read),
    privileged: operandsWith("Privileged"),
    leastPrivilege: operandsWith("LeastPrivilege"),
  };
}

/** As on a cluster that serves all that we know of. */
function operandsWith(securityProfile: Settings["extractor"]["securityProfile"]): readonly KubeObject[] {
  const input = {
    namespace: "runtime-insights",
    configUid: "",
    accountUids: { node: "", gatherer: "" },
    images: { extractor: "", exporter: "", proxy: "", gatherer: "" },
    settings: { ...defaultSettings, extractor: { ...defaultSettings.extractor, securityProfile } },
    tls: { minVersion: "VersionTLS12", cipherSuites: [] },
    unserved: new Set<never>(),
    servedByServiceCa: new Set<never>(),
    priorityClass: undefined,
    pullSecrets: { node: [], gatherer: [] },
  };
  return [
    ...desiredGathererSide(input, { ca: undefined, bundle: undefined }, undefined),
    ...desiredNodeSide(input, undefined),
  ];
}
