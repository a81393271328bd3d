/**
 * Writes crds/*.yaml from the zod schemas of src/api; with --check it only says whether they are stale (exit code 1).
 * Needs nothing; leaves nothing else.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { dump } from "js-yaml";
import { z } from "zod";
import { configKind, configName, configSchema } from "../src/api/config.ts";
import { apiGroup } from "../src/api/object.ts";
import { requestKind, requestSchema } from "../src/api/request.ts";

interface Kind {
  readonly kind: string;
  readonly plural: string;
  readonly short: string;
  readonly description: string;
  readonly schema: z.ZodType;
  readonly columns: readonly object[];
  readonly rules: readonly object[];
}

const column = (name: string, jsonPath: string, type = "string", priority = 0) => ({
  name,
  type,
  jsonPath,
  ...(priority === 0 ? {} : { priority }),
});
const conditionColumn = (name: string, type: string, field: string) =>
  column(name, `.status.conditions[?(@.type=="${type}")].${field}`);

const kinds: readonly Kind[] = [
  {
    kind: configKind,
    plural: "insightsruntimeextractors",
    short: "ire",
    description: "How the runtimes of this cluster's containers are found out. There is at most one, called cluster.",
    schema: configSchema,
    rules: [{ rule: `self.metadata.name == '${configName}'`, message: `the only config is called ${configName}` }],
    columns: [
      column("Gate", ".status.gate.summary"),
      conditionColumn("Available", "Available", "status"),
      conditionColumn("Progressing", "Progressing", "status"),
      conditionColumn("Degraded", "Degraded", "status"),
      column("Reason", ".status.headline.reason"),
      column("Nodes", ".status.nodes.summary"),
      column("Last gather", ".status.lastGather.finishTime", "date"),
      column("Next gather", ".status.nextGather"),
      column("Upload", ".status.lastUpload.reason", "string", 1),
      column("Message", ".status.headline.message", "string", 1),
      column("Age", ".metadata.creationTimestamp", "date"),
    ],
  },
  {
    kind: requestKind,
    plural: "runtimegathers",
    short: "rg",
    description:
      "One gather of the cluster's workloads and their runtimes, asked for by a user or made by the schedule.",
    schema: requestSchema,
    rules: [],
    columns: [
      column("Trigger", ".spec.trigger"),
      conditionColumn("Phase", "Progressing", "reason"),
      column("Pods", ".status.counts.pods", "integer"),
      column("Nodes", ".status.counts.nodesAsked", "integer"),
      column("Failed", ".status.counts.nodesFailed", "integer"),
      column("Took", ".status.took"),
      column("Age", ".metadata.creationTimestamp", "date"),
    ],
  },
];

const maxSafe = Number.MAX_SAFE_INTEGER;

/** JSON schema without what a structural schema refuses or does not need. */
function structural(schema: z.ZodType): Record<string, unknown> {
  const made = z.toJSONSchema(schema, {
    target: "openapi-3.0",
    io: "input",
    override: ({ jsonSchema }) => {
      if ("x-kubernetes-int-or-string" in jsonSchema) delete jsonSchema.anyOf;
      if (jsonSchema.maximum === maxSafe) delete jsonSchema.maximum;
      if (jsonSchema.type === "integer") jsonSchema.format = "int64";
      // A structural schema has no closed objects: the API server prunes what it does not know.
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
    },
  });
  return { ...made };
}

function crd({ kind, plural, short, description, schema, columns, rules }: Kind): object {
  const openAPIV3Schema = {
    description,
    ...structural(schema),
    ...(rules.length === 0 ? {} : { "x-kubernetes-validations": rules }),
  };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${apiGroup}`, labels: { "app.kubernetes.io/part-of": "runtime-insights" } },
    spec: {
      group: apiGroup,
      scope: "Cluster",
      names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase(), shortNames: [short] },
      versions: [
        {
          name: "v1alpha1",
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: columns,
          schema: { openAPIV3Schema },
        },
      ],
    },
  };
}

const banner =
  "# Generated from the schemas in src/api by hack/crds.ts; do not edit. `npm run lint -- --fix` makes it anew.\n";
const dir = join(import.meta.dirname, "../crds");
const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
const stale: string[] = [];
for (const kind of kinds) {
  const file = join(dir, `${kind.plural}.yaml`);
  const text = banner + dump(crd(kind), { lineWidth: 140, noRefs: true });
  if (existsSync(file) && readFileSync(file, "utf8") === text) continue;
  if (values.check) stale.push(`crds/${kind.plural}.yaml`);
  else writeFileSync(file, text);
}
if (stale.length > 0) {
  console.error(`stale: ${stale.join(", ")}; run npm run lint -- --fix`);
  process.exitCode = 1;
}
