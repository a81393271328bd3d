/** The images that the operator's Deployment names, itself and by environment. */
import type { Deployment } from "./sources.ts";

const prefix = "RELATED_IMAGE_";

export interface RelatedImage {
  readonly name: string;
  readonly image: string;
}

/** The same Deployment with every image replaced, those in the environment included. */
export function withImages(deployment: Deployment, image: (ref: string) => string): Deployment {
  const { template } = deployment.spec;
  const containers = template.spec.containers.map((container) => ({
    ...container,
    image: image(container.image),
    ...(container.env === undefined
      ? {}
      : {
          env: container.env.map((variable) =>
            variable.name.startsWith(prefix) && variable.value !== undefined
              ? { ...variable, value: image(variable.value) }
              : variable,
          ),
        }),
  }));
  return {
    ...deployment,
    spec: { ...deployment.spec, template: { ...template, spec: { ...template.spec, containers } } },
  };
}

/** Each image once, under the first name that it has there. */
export function relatedImages(deployment: Deployment): readonly RelatedImage[] {
  const all = deployment.spec.template.spec.containers.flatMap(({ name, image, env = [] }) => [
    { name, image },
    ...env.flatMap((variable) =>
      variable.name.startsWith(prefix) && variable.value !== undefined
        ? [{ name: variable.name.slice(prefix.length).toLowerCase().replaceAll("_", "-"), image: variable.value }]
        : [],
    ),
  ]);
  return all.filter(({ image }, at) => all.findIndex((one) => one.image === image) === at);
}

/** That image in another version, when it is one of ours in the given one. */
export function inVersion(ref: string, from: string, to: string): string {
  const [repository, tag] = [ref.slice(0, ref.lastIndexOf(":")), ref.slice(ref.lastIndexOf(":") + 1)];
  return /(^|\/)runtime-insights-[^/]*$/.test(repository) && tag === from ? `${repository}:${to}` : ref;
}
