/** The few fields of a pod that a gather looks at, and the page of a pod list they come in. */
import { z } from "zod";

const text = z
  .string()
  .nullish()
  .transform((value) => (value ?? "").toWellFormed());

const texts = z
  .array(z.string())
  .nullish()
  .transform((value) => value ?? []);

const specSchema = z.object({ name: text, image: text, command: texts, args: texts, restartPolicy: text });
const specsSchema = z
  .array(specSchema)
  .nullish()
  .transform((value) => value ?? []);

const statusSchema = z
  .object({
    name: text,
    imageID: text,
    containerID: text,
    state: z.object({ terminated: z.object({}).nullish() }).nullish(),
  })
  .transform(({ name, imageID, containerID, state }) => ({
    name,
    imageID,
    containerID,
    terminated: state?.terminated !== undefined && state?.terminated !== null,
  }));
const statusesSchema = z
  .array(statusSchema)
  .nullish()
  .transform((value) => value ?? []);

/** On pods and namespaces: no node is asked about their containers. */
export const excludeAnnotation = "runtimes.insights.openshift.io/exclude";

/** Only the text "true" opts out; whatever else is no request. */
const optOutSchema = z
  .object({ [excludeAnnotation]: z.unknown().optional() })
  .nullish()
  .transform((annotations) => annotations?.[excludeAnnotation] === "true");

const readablePodSchema = z
  .object({
    metadata: z.object({ namespace: text, name: text, annotations: optOutSchema }),
    spec: z
      .object({
        nodeName: text,
        restartPolicy: text,
        runtimeClassName: text,
        initContainers: specsSchema,
        containers: specsSchema,
      })
      .nullish(),
    status: z
      .object({ phase: text, initContainerStatuses: statusesSchema, containerStatuses: statusesSchema })
      .nullish(),
  })
  .transform(({ metadata, spec, status }) => ({
    namespace: metadata.namespace,
    name: metadata.name,
    /** It asks that no node is asked about it. */
    excluded: metadata.annotations,
    runtimeClass: spec?.runtimeClassName ?? "",
    node: spec?.nodeName ?? "",
    restartPolicy: spec?.restartPolicy ?? "",
    phase: status?.phase ?? "",
    initContainers: { specs: spec?.initContainers ?? [], statuses: status?.initContainerStatuses ?? [] },
    containers: { specs: spec?.containers ?? [], statuses: status?.containerStatuses ?? [] },
    /** It is none by its fields; only its namespace is known, if that. */
    unreadable: false,
  }));
const unreadablePod = z
  .object({ metadata: z.object({ namespace: text }) })
  .transform(({ metadata }) => metadata.namespace)
  .catch("");
/** One broken pod must not cost the others, so it is a pod that says so. */
const podSchema = readablePodSchema.catch(({ value }) => ({
  ...readablePodSchema.parse({ metadata: { namespace: unreadablePod.parse(value) } }),
  unreadable: true,
}));
export type Pod = z.infer<typeof podSchema>;
/** Containers of one sort: as specified, and as the kubelet reports them, which may be in another order. */
export type PodContainers = Pod["containers"];

const podPageSchema = z
  .object({
    metadata: z.object({ continue: text }).nullish(),
    items: z
      .array(podSchema)
      .nullish()
      .transform((value) => value ?? []),
  })
  .transform(({ metadata, items }) => ({ pods: items, continueToken: metadata?.continue ?? "" }));

/** `continueToken` is empty on the last page. */
export type PodPage = z.infer<typeof podPageSchema>;

/** A page of `GET /api/v1/pods`; throws with the field's path when it is not one. */
export function decodePodPage(value: unknown): PodPage {
  const result = podPageSchema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new Error(`reading a page of pods: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "invalid"}`);
}
