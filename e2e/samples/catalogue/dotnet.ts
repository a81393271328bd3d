/** .NET: as single files with and without ASP.NET Core. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { debianFiles } from "../../../hack/images/debian.ts";
import { copy } from "../../../hack/images/entries.ts";
import { layerOf } from "../../../hack/images/layer.ts";
import type { CatalogueEntry } from "../entry.ts";
import { fed, folderLayer, type Ground, treeLayer } from "./ground.ts";
import { npmPackage } from "./registries.ts";

export async function dotnetEntries({ system, is }: Ground): Promise<readonly CatalogueEntry[]> {
  const azure = join(await npmPackage("@azure/mcp-linux-x64@2.0.5", azureIntegrity), "dist/azmcp");
  const bundled = frameworksIn(azure);
  const devsense = await npmPackage("devsense-php-ls-linux-x64@1.0.19329", devsenseIntegrity);
  const invariant = { DOTNET_SYSTEM_GLOBALIZATION_INVARIANT: "1", HOME: "/tmp" };

  return [
    {
      name: "dotnet-single-file",
      about: "a single file that holds .NET and ASP.NET Core",
      layers: [
        ...system,
        await treeLayer((await debianFiles(["libssl3"])).root),
        await layerOf([copy("usr/local/bin/azmcp", azure, 0o755)]),
      ],
      command: fed("azmcp server start"),
      env: { ...invariant, AZURE_MCP_COLLECT_TELEMETRY: "false", DOTNET_BUNDLE_EXTRACT_BASE_DIR: "/tmp/bundle" },
      uid: 1001,
      expected: is(".NET", versionOf(bundled, "Microsoft.NETCore.App"), aspNet(bundled)),
    },
    {
      name: "dotnet-single-file-plain",
      about: "another single file, without ASP.NET Core",
      layers: [
        ...system,
        await folderLayer("opt/devsense", join(devsense, "dist"), (path) => path.endsWith(".so")),
        await layerOf([copy("opt/devsense/devsense.php.ls", join(devsense, "dist/devsense.php.ls"), 0o755)]),
      ],
      command: fed("/opt/devsense/devsense.php.ls"),
      env: invariant,
      uid: 1001,
      expected: is(".NET", versionOf(frameworksIn(join(devsense, "dist/devsense.php.ls")), "Microsoft.NETCore.App")),
    },
  ];
}

const azureIntegrity =
  "sha512-0FX4fiv1yHAtGkvcBf0tp8agS50JyWAd0r5ebGQB3cGB+ANZYd7jFt+aQ8P60ZdckpG2xcAb1TlfOVDEtsGDqg==";
const devsenseIntegrity =
  "sha512-P5k8jo2JDp5pehauC0uLMDKv75w7rxaT8Xi77hYqrvqCNqbR4RrR128xQt5fU3QtjXOPRts78DJKJMlmZW2CQQ==";

/** Version by framework, from the run-time configuration that a single-file application carries as text. */
function frameworksIn(file: string): ReadonlyMap<string, string> {
  const found = readFileSync(file, "latin1").matchAll(
    /"name":\s*"(Microsoft\.[A-Za-z.]+)",\s*"version":\s*"([\d.]+)"/g,
  );
  return new Map([...found].map(([, name = "", version = ""]) => [name, version]));
}

function versionOf(frameworks: ReadonlyMap<string, string>, name: string): string {
  const version = frameworks.get(name);
  if (version === undefined) throw new Error(`${name} is not in the single file`);
  return version;
}

const aspNet = (frameworks: ReadonlyMap<string, string>): string =>
  `ASP.NET Core ${versionOf(frameworks, "Microsoft.AspNetCore.App")}`;
