/** The few fields of a pod that a gather looks at, and the page of a pod list they come in. */
import { z } from "zod";
import { wanted } from "./json-cursor.ts";
import { ListReader } from "./list.ts";

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

const container = { name: true, image: true, command: true, args: true, restartPolicy: true } as const;
const status = { name: true, imageID: true, containerID: true, state: { terminated: {} } } as const;
/** The fields of `podSchema`. */
const podFields = wanted({
  metadata: { namespace: true, name: true, annotations: { [excludeAnnotation]: true } },
  spec: {
    nodeName: true,
    restartPolicy: true,
    runtimeClassName: true,
    initContainers: container,
    containers: container,
  },
  status: { phase: true, initContainerStatuses: status, containerStatuses: status },
});
const what = "reading a page of pods";
const pageFields = new Map([["metadata", wanted({ continue: true })]]);
const pageSchema = z.object({
  metadata: z.object({ continue: text }).nullish(),
  items: z.array(z.unknown()).nullish(),
});

export interface PodPage {
  readonly pods: readonly Pod[];
  /** Empty on the last page. */
  readonly continueToken: string;
}

/** A page of `GET /api/v1/pods` while it comes in: each pod is decoded when it is complete, and only that is kept. */
export class PodPageReader {
  readonly #pods: Pod[] = [];
  readonly #list = new ListReader({
    what,
    fields: pageFields,
    fieldsOfItem: podFields,
    onItem: (item) => {
      this.#pods.push(decode(podSchema, item, ["items", this.#pods.length]));
    },
  });

  push(chunk: Buffer): void {
    this.#list.push(chunk);
  }

  /** Where the next page begins, as soon as that is known: a real API server says it before the pods. */
  get continueToken(): string | undefined {
    const { metadata, items } = this.#list.fields;
    return items === undefined ? undefined : pageSchema.safeParse({ metadata }).data?.metadata?.continue;
  }

  /** The whole page; throws with the field's path when it is none. */
  finish(): PodPage {
    const { metadata } = decode(pageSchema, this.#list.finish());
    return { pods: this.#pods, continueToken: metadata?.continue ?? "" };
  }
}

/** A page as a value; throws with the field's path when it is none. */
export function decodePodPage(value: unknown): PodPage {
  const reader = new PodPageReader();
  reader.push(Buffer.from(JSON.stringify(value)));
  return reader.finish();
}

function decode<T>(schema: z.ZodType<T>, value: unknown, place: readonly PropertyKey[] = []): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = [...place, ...(issue?.path ?? [])].join(".");
  throw new Error(`${what}: ${path}: ${issue?.message ?? "invalid"}`);
}
