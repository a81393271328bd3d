/** Which nodes can start our images. An architecture that joins is said here; hack/pod-contract.test.ts names the manifests that have to follow. */

/** As nodes say in label `kubernetes.io/arch`. */
export const architectures: readonly string[] = ["amd64"];

export const architectureLabel = "kubernetes.io/arch";

/** Part of a pod's spec: a pod on any other node would fail for ever. */
export const onOurArchitectures = {
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: architectureLabel, operator: "In", values: architectures }] }],
      },
    },
  },
} as const;
