/** What the extractor's container may do on a node, by security profile, and the SCC that lets it. */
import type { Settings } from "../api/config.ts";
import type { Draft } from "./desired-input.ts";
import { names } from "./operands.ts";

type SecurityProfile = Settings["extractor"]["securityProfile"];

/** What docs/security.md explains one by one. Without one of them the extractor does not start. */
const leastCapabilities = [
  "DAC_READ_SEARCH",
  "KILL",
  "SETGID",
  "SETPCAP",
  "SETUID",
  "SYS_ADMIN",
  "SYS_CHROOT",
  "SYS_PTRACE",
] as const;

/** The securityContext of container extractor. */
export function extractorSecurity(profile: SecurityProfile): Readonly<Record<string, unknown>> {
  const always = { readOnlyRootFilesystem: true, runAsUser: 0 };
  switch (profile) {
    case "Privileged":
      return { privileged: true, ...always };
    case "LeastPrivilege":
      return {
        privileged: false,
        ...always,
        // The API server insists, because of SYS_ADMIN; the extractor gives up gaining privileges itself.
        allowPrivilegeEscalation: true,
        capabilities: { drop: ["ALL"], add: leastCapabilities },
        seccompProfile: { type: "RuntimeDefault" },
        // The runtime's own profiles forbid what these capabilities allow; a privileged container has none either.
        appArmorProfile: { type: "Unconfined" },
        seLinuxOptions: { type: "spc_t" },
      };
  }
}

/** Lets in the pods of the node side, with this profile and no other. */
export function securityContextConstraints(profile: SecurityProfile): Draft {
  const isPrivileged = profile === "Privileged";
  return {
    kind: "SecurityContextConstraints",
    name: names.extractor,
    body: {
      allowHostDirVolumePlugin: true,
      allowHostIPC: false,
      allowHostNetwork: false,
      allowHostPID: true,
      allowHostPorts: false,
      allowPrivilegeEscalation: true,
      allowPrivilegedContainer: isPrivileged,
      allowedCapabilities: isPrivileged ? [] : leastCapabilities,
      defaultAddCapabilities: [],
      requiredDropCapabilities: [],
      priority: null,
      readOnlyRootFilesystem: true,
      fsGroup: { type: "RunAsAny" },
      runAsUser: { type: "RunAsAny" },
      seLinuxContext: { type: "RunAsAny" },
      seccompProfiles: ["runtime/default"],
      supplementalGroups: { type: "RunAsAny" },
      volumes: ["configMap", "downwardAPI", "emptyDir", "hostPath", "projected", "secret"],
      // Only our service account, which the shipped ClusterRole gives the use of it.
      users: [],
      groups: [],
    },
  };
}
