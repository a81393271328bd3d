/** What OLM makes of a bundle's permissions, by the rules of its install strategy for install mode OwnNamespace. */
import { load } from "js-yaml";
import { z } from "zod";
import { asManifest, type Manifest } from "../permissions.ts";
import type { Files } from "./files.ts";

const permissionSchema = z.object({ serviceAccountName: z.string(), rules: z.array(z.unknown()) });
const strategySchema = z.object({
  spec: z.object({
    install: z.object({
      spec: z.object({
        permissions: z.array(permissionSchema).default([]),
        clusterPermissions: z.array(permissionSchema).default([]),
      }),
    }),
  }),
});
const kindSchema = z.looseObject({ kind: z.string(), metadata: z.looseObject({}) });
const clusterScoped = ["ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "PriorityClass"];

/** The roles, bindings and other objects that are there after an installation into the namespace. */
export function installedBy(files: Files, namespace: string): readonly Manifest[] {
  const objects = [...files]
    .filter(([path]) => path.startsWith("manifests/"))
    .map(([, text]) => kindSchema.parse(load(text)));
  const csv = objects.find(({ kind }) => kind === "ClusterServiceVersion");
  const { permissions, clusterPermissions } = strategySchema.parse(csv).spec.install.spec;
  const granted = (kind: "Role" | "ClusterRole") => (permission: z.infer<typeof permissionSchema>, at: number) => {
    const metadata = { name: `made-${at}`, ...(kind === "Role" ? { namespace } : {}) };
    const { serviceAccountName: name, rules } = permission;
    return [
      { kind, metadata, rules },
      { kind: `${kind}Binding`, metadata, roleRef: { kind, name: metadata.name }, subjects: [{ name }] },
    ];
  };
  const plain = objects
    .filter((object) => object !== csv)
    .map(({ kind, metadata, ...rest }) => ({
      ...rest,
      kind,
      metadata: clusterScoped.includes(kind) ? metadata : { ...metadata, namespace },
    }));
  return [...permissions.flatMap(granted("Role")), ...clusterPermissions.flatMap(granted("ClusterRole")), ...plain].map(
    asManifest,
  );
}
