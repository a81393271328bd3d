/** The parts that every object of the API server has, and those we read of a few kinds of the cluster. */
import { z } from "zod";

export const apiGroup = "runtimes.insights.openshift.io";
export const apiVersion = `${apiGroup}/v1alpha1`;

/** The field manager of everything main writes; also the value of label `app.kubernetes.io/managed-by`. */
export const fieldManager = "runtime-insights-operator";

export const ownerReferenceSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  name: z.string(),
  uid: z.string(),
});

export const metadataSchema = z.looseObject({
  name: z.string(),
  namespace: z.string().optional(),
  uid: z.string().optional(),
  resourceVersion: z.string().optional(),
  generation: z.number().optional(),
  creationTimestamp: z.string().optional(),
  deletionTimestamp: z.string().optional(),
  finalizers: z.array(z.string()).optional(),
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
  ownerReferences: z.array(ownerReferenceSchema).optional(),
  managedFields: z
    .array(
      z.looseObject({
        manager: z.string().optional(),
        operation: z.string().optional(),
        subresource: z.string().optional(),
        time: z.string().optional(),
      }),
    )
    .optional(),
});

/** Any object, its own fields untouched. */
export const kubeObjectSchema = z.looseObject({ apiVersion: z.string(), kind: z.string(), metadata: metadataSchema });
export type KubeObject = z.infer<typeof kubeObjectSchema>;

/** A condition as every kind of ours has it. */
export const conditionSchema = z.object({
  type: z.string().min(1).max(316).meta({ description: "What it is about." }),
  status: z.enum(["True", "False", "Unknown"]).meta({ description: "Unknown: it cannot be told now." }),
  reason: z.string().min(1).max(1024).meta({ description: "Why, in a word." }),
  message: z.string().max(32768).meta({ description: "Why, in a sentence; where something can be done, what." }),
  lastTransitionTime: z.string().meta({ format: "date-time", description: "When status last changed." }),
  observedGeneration: z.int().min(0).optional().meta({ description: "Generation of the spec that this is about." }),
});
export type Condition = z.infer<typeof conditionSchema>;

export const conditionsSchema = z
  .array(conditionSchema)
  .max(32)
  .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"] });

/** What fits the schema; fields that another version wrote in a way this one does not know are left out. */
export function decodeKnown<S extends z.ZodObject>(schema: S, fields: Readonly<Record<string, unknown>>): z.output<S> {
  const whole = schema.safeParse(fields);
  if (whole.success) return whole.data;
  const unknown = new Set(whole.error.issues.map(({ path: [field] }) => field));
  return schema.parse(Object.fromEntries(Object.entries(fields).filter(([field]) => !unknown.has(field))));
}

/** One sentence naming the first field that is wrong and why. */
export function problemOf(error: z.ZodError): string {
  const [issue] = error.issues;
  if (issue === undefined) return "it cannot be decoded";
  const path = issue.path.map(String).join(".");
  return path === "" ? issue.message : `${path}: ${issue.message}`;
}
