/** Words and order of docs/permissions.md. */
import type { KubeObject } from "../../src/api/object.ts";
import { type Facts, flowFacts, podFacts, roleFacts, sccFacts } from "./facts.ts";
import { beyond, sectionText } from "./permissions.ts";
import { podReasons } from "./reasons-pods.ts";
import { type Reasons, ruleReasons } from "./reasons-rules.ts";

/** What is shipped, and what the operator makes of it. */
export interface Shipped {
  /** Objects of manifests/, those of the standalone variants apart. */
  readonly manifests: readonly unknown[];
  readonly standalone: readonly unknown[];
  /** The operands under each profile. */
  readonly privileged: readonly KubeObject[];
  readonly leastPrivilege: readonly KubeObject[];
}

export const reasons: Reasons = { ...ruleReasons, ...podReasons };

interface Tables {
  readonly operatorRoles: readonly Facts[];
  readonly operandRoles: readonly Facts[];
  readonly pods: readonly Facts[];
  readonly scc: readonly Facts[];
  readonly flows: readonly Facts[];
}

/** All lines of the page, table by table. */
export function tablesOf({ manifests, standalone, privileged, leastPrivilege }: Shipped): Tables {
  const roles = roleFacts([...manifests, ...standalone]);
  const ofKind = (objects: readonly unknown[], kind: string) => objects.filter((object) => kindOf(object) === kind);
  const one = (objects: readonly unknown[], kind: string) => ofKind(objects, kind)[0];
  const nodePods = podFacts(one(privileged, "DaemonSet"));
  const scc = sccFacts(one(privileged, "SecurityContextConstraints"));
  const least = sccFacts(one(leastPrivilege, "SecurityContextConstraints"));
  const shippedSccs = ofKind(standalone, "SecurityContextConstraints").map(sccFacts);
  const known: Facts = { of: "", keys: [...scc.keys, ...least.keys] };
  return {
    operatorRoles: roles.filter(({ of }) => of.includes("runtime-insights-operator")),
    operandRoles: roles.filter(({ of }) => !of.includes("runtime-insights-operator")),
    pods: [
      podFacts(one(manifests, "Deployment")),
      podFacts(one(privileged, "Deployment")),
      nodePods,
      beyond(podFacts(one(leastPrivilege, "DaemonSet")), nodePods, `${nodePods.of} with LeastPrivilege`),
    ],
    scc: [
      scc,
      beyond(least, scc, `${scc.of} with LeastPrivilege`),
      beyond(
        { of: "", keys: [...new Set(shippedSccs.flatMap(({ keys }) => keys))] },
        known,
        `${scc.of} of the standalone variant`,
      ),
    ],
    flows: ofKind([...manifests, ...privileged], "NetworkPolicy").map(flowFacts),
  };
}

const kindOf = (object: unknown): unknown =>
  typeof object === "object" && object !== null && "kind" in object ? object.kind : undefined;

const opening = `<!-- Written by hack/docs/write.ts from manifests/ and src/core/desired*.ts; the reasons are in hack/docs/reasons-*.ts. \`npm run lint -- --fix\` makes it anew. -->
# Permissions

For whoever has to say yes or no to this product. Every rule, every field and every open port that is shipped has a line here, and a check fails when one has none. What holds the node side, and by which test one sees
it: [security](security.md).

## In short

- **The node side is privileged.** One container per Linux node looks into the processes of all others. It starts nothing, has no token and no network port. [Eight capabilities](#daemonset-runtime-insights-extractor-with-leastprivilege) do instead of \`privileged\`.
- **The operator can put pods on every node**: it writes that DaemonSet. Whoever takes its token owns the nodes, as with every operator that installs privileged pods. [How to hold it to our images](#holding-the-operator-to-our-images).
- **The gatherer reads all pods** of the cluster and writes nothing to it. What it sends out: hashes, into a file in its own pod.
- **Secrets** are read in the operator's namespace only: the three that it makes, and any other by \`get\` for \`spec.upload\`. There is no list of all.
- **Nobody holds**: \`escalate\`, \`impersonate\`, \`pods/exec\`, \`serviceaccounts/token\`, \`nodes/proxy\`, a \`*\` for verbs, groups or resources, any write to your workloads.
- **Our kinds** are cluster-scoped, and no role of ours lets people edit them: by manifests only cluster admins can. **By OLM also whoever has a ClusterRoleBinding to \`edit\` or \`admin\`**, see [below](#by-olm). Who may edit the config can have privileged pods put on all nodes (\`spec.featureGate\`, \`spec.extractor\`), and archives sent to any address with the token of a Secret of the operator's namespace (\`spec.upload\`); which images run is not theirs to say. Who may read it reads counts of runtimes in its status.
- **Nothing leaves the cluster** unless \`spec.upload\` is set ([what then](archive.md#upload)). Images are pulled from your registry; nothing else is fetched.

A line that says nothing under "without it" is a limit and not a right.`;

const operatorText = `ServiceAccount \`runtime-insights-operator\`, from \`manifests/20-operator-rbac.yaml\`. Installed by OLM it has the same rules from the ClusterServiceVersion, under names that OLM chooses; [what differs](#by-olm).`;

const operandText = `ClusterRoles from \`manifests/10-operand-roles.yaml\`. The operator binds each to the service account of its name, and cannot change them.`;

const podsText = `"restricted" is a container that meets Pod Security \`restricted\`: not root, no capability, no gain of privileges, the runtime's seccomp profile; ours have a read-only root file system besides.
The standalone DaemonSet (\`manifests/standalone/\`) is the extractor's without proxies, tokens and certificates: nobody outside the pod can ask it.`;

const sccText = `OpenShift only. The first is what the operator makes, as \`runtime-insights-extractor\`; the others list where \`LeastPrivilege\` and \`manifests/standalone*/openshift-scc.yaml\`, which you apply yourself, differ.`;

const flowsText = `They hold where the cluster's network enforces NetworkPolicies, and nowhere else. In every direction that is not listed our pods are cut off. The kubelet's probes and \`kubectl port-forward\` come from the pod's own
node, which policies do not hold back. Listeners: 8443 and 9443 of each proxy, 8081 (health) of operator and gatherer; all others are bound to the pod's loopback address. The standalone DaemonSet has no listener and no policy.`;

const closing = `## Holding the operator to our images

RBAC cannot say what is in a DaemonSet. An admission policy can, whoever writes the DaemonSet or Deployment:

    kubectl apply -f docs/examples/images-policy.yaml   # after you have put your registry in

Of every pod of namespace \`runtime-insights\` it demands:

- Its images are our three, from your registry. An image alone is no limit, since the operator's holds Node, which runs whatever it is given; hence the rest.
- What is root, has privileges or capabilities or may gain them is the program \`/extractor_server\` of the node image, and nothing else.
- A pod that has such a container, the node's processes (\`hostPID\`) or a path of the node holds besides only \`/exporter\` and the proxy, by their own programs: no hook or probe starts another one, nothing is mounted where programs lie, no raw volume.
- The only path of the node is \`/var/log/containers\`. No pod has the node's network or shared memory, and none is debugged by a container put into it.

\`npm test\` shows each of our pods to it on a real API server, with both security profiles, and over twenty that it has to refuse. What it leaves to whoever has the operator's token:

- **Our node programs with any arguments**, in any version that your registry has under these names, on every node: an exporter that listens without its proxy tells everybody who reaches it, in clear text, what runs in every container.
- **Code of their own in Node, without privileges**, in this namespace: as any of its accounts, thus as the gatherer's, which reads every pod of the cluster; with every Secret and ConfigMap of the namespace; on any node, at any size and priority; with labels
  that no NetworkPolicy of ours selects. SELinux, AppArmor and seccomp settings of such a pod are not looked at.
- **On OpenShift the SCC**, and everywhere the three bindings, [as above](#clusterrole-runtime-insights-operator): with another account that may create pods in another namespace they get privileged pods there, where this policy does not look.
- What is pushed to your registry under these names runs. To hold it to a release write the three names into the policy with that one's digests, as they stand in its manifests; before an upgrade put in the next.

The standalone variant runs in a namespace of yours and passes, too: a second binding that names it is enough.

## By OLM

Two things differ from the manifests:

- The operator may write events in every namespace, since OLM cannot grant in namespace \`default\` alone.
- **OLM gives people rights.** For each CRD of an operator it makes ClusterRoles, here \`insightsruntimeextractors.runtimes.insights.openshift.io-v1alpha1-admin\`, \`-edit\` and \`-view\`, the same for \`runtimegathers\`, and \`...-crdview\`, labelled so
  that Kubernetes adds them to its own \`admin\` (all verbs), \`edit\` (create, update, patch, delete) and \`view\` (get, list, watch; on OpenShift \`cluster-reader\` has what \`view\` has). Since our kinds are cluster-scoped, a RoleBinding of one namespace gives nothing of it, and a **ClusterRoleBinding** to one of them gives all of it.
  OLM makes them anew when they are deleted or changed, and a bundle cannot turn that off. Who has such bindings:

      kubectl get clusterrolebindings -o json | jq -r '.items[] | select(.roleRef.name | IN("admin", "edit", "view")) | "\\(.roleRef.name)\\t\\(.metadata.name)\\t\\([.subjects[]?.name] | join(", "))"'

  Whoever of them is not to have it gets RoleBindings in their namespaces instead; or an admission policy lets cluster admins only write \`insightsruntimeextractors\`.

## To see it on a cluster

    kubectl auth can-i --list --as=system:serviceaccount:runtime-insights:runtime-insights-operator -n runtime-insights
    kubectl auth can-i --list --as=system:serviceaccount:runtime-insights:runtime-insights-gatherer
    kubectl get clusterroles,clusterrolebindings,roles,rolebindings -A -l app.kubernetes.io/part-of=runtime-insights
    kubectl get clusterroles,clusterrolebindings,roles,rolebindings -A -l olm.owner.namespace=runtime-insights   # by OLM, the operator's own

\`npm test\` records every call that the shipped accounts make on a real API server and fails when one is refused, and when a rule is never used.
`;

/** The whole page. */
export function permissionsPage(shipped: Shipped): string {
  const { operatorRoles, operandRoles, pods, scc, flows } = tablesOf(shipped);
  const sections = [
    { heading: "The operator's rules", text: operatorText, facts: operatorRoles },
    { heading: "The operands' rules", text: operandText, facts: operandRoles },
    { heading: "Pods", text: podsText, facts: pods },
    { heading: "SecurityContextConstraints", text: sccText, facts: scc },
    { heading: "Network policies", text: flowsText, facts: flows },
  ];
  return [opening, ...sections.map((section) => sectionText(section, reasons)), closing].join("\n\n");
}
