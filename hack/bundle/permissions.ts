/** How the shipped roles reach OLM: the operator's rules in the ClusterServiceVersion, everything else as plain objects. */
import { z } from "zod";
import { type KubeObject, operatorName } from "./sources.ts";

const bindingSchema = z.looseObject({
  roleRef: z.object({ kind: z.string(), name: z.string() }),
  subjects: z.array(z.looseObject({ kind: z.string(), name: z.string() })),
});
const rulesSchema = z.looseObject({ rules: z.array(z.record(z.string(), z.unknown())) });
type Rule = z.infer<typeof rulesSchema>["rules"][number];

/** A role that is bound to the operator's account, with the namespace where the binding counts; `""` for all. */
interface OperatorRole {
  readonly binding: KubeObject;
  readonly role: KubeObject;
  readonly rules: readonly Rule[];
}

function operatorRoles(manifests: readonly KubeObject[]): readonly OperatorRole[] {
  return manifests
    .filter(({ kind }) => kind === "RoleBinding" || kind === "ClusterRoleBinding")
    .map((binding) => ({ binding, ...bindingSchema.parse(binding) }))
    .filter(({ subjects }) => subjects.some(({ name }) => name === operatorName))
    .map(({ binding, roleRef: { kind, name } }) => {
      const role = manifests.find(
        (object) =>
          object.kind === kind &&
          object.metadata.name === name &&
          (kind === "ClusterRole" || object.metadata.namespace === binding.metadata.namespace),
      );
      if (role === undefined) throw new Error(`manifests/ bind ${kind} ${name} but do not hold it`);
      return { binding, role, rules: rulesSchema.parse(role).rules };
    });
}

const keyOf = ({ kind, metadata }: KubeObject): string => `${kind}/${metadata.namespace ?? ""}/${metadata.name}`;

export interface Permission {
  readonly serviceAccountName: string;
  readonly rules: readonly Rule[];
}

/**
 * The operator's rules as a ClusterServiceVersion has them. OLM grants namespaced rules in the namespace of the installation only;
 * those for another namespace become cluster-wide.
 */
export function operatorPermissions(manifests: readonly KubeObject[], namespace: string) {
  const isOwn = ({ role }: OperatorRole) => role.metadata.namespace === namespace;
  const granted = ({ rules }: OperatorRole): Permission => ({ serviceAccountName: operatorName, rules });
  const roles = operatorRoles(manifests);
  return {
    clusterPermissions: roles.filter((role) => !isOwn(role)).map(granted),
    permissions: roles.filter(isOwn).map(granted),
  };
}

/** The kinds beside CRD and ClusterServiceVersion that OLM installs from a bundle; one other fails the whole installation. */
export const kindsOfOlm: ReadonlySet<string> = new Set([
  ..."ClusterRole ClusterRoleBinding ConfigMap Role RoleBinding Secret Service ServiceAccount".split(" "),
  ..."ConsoleCLIDownload ConsoleLink ConsoleQuickStart ConsoleYAMLSample PodDisruptionBudget PriorityClass".split(" "),
  ..."PrometheusRule ServiceMonitor VerticalPodAutoscaler".split(" "),
]);

/**
 * What OLM does not make itself, such as the roles that the operator binds to its operands; without namespace, which OLM gives them.
 * A NetworkPolicy is none of OLM's kinds: an installation by OLM has none for the operator's own pods.
 */
export function plainObjects(manifests: readonly KubeObject[], namespace: string): readonly KubeObject[] {
  const granted = operatorRoles(manifests).flatMap(({ binding, role }) => [keyOf(binding), keyOf(role)]);
  const made = new Set([...granted, `ServiceAccount/${namespace}/${operatorName}`]);
  return manifests
    .filter((object) => kindsOfOlm.has(object.kind) && !made.has(keyOf(object)))
    .map(({ metadata: { namespace: _, ...metadata }, ...rest }) => ({ ...rest, metadata }));
}
