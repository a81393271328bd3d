/** What the constructor of @dot-i/k8s-operator needs of client-node, in place of the whole package; see hack/build.ts. */
export { KubeConfig } from "@kubernetes/client-node";

/** The base class makes one and never uses it, since everything that would is overridden. */
export class CoreV1Api {}
