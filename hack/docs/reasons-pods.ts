/** Why each line of the pods, SCC and network policies is there. Keyed by object, then by the line as facts.ts says it. */
import type { Reason, Reasons } from "./reasons-rules.ts";

const restrictedWithout = "Pod Security `restricted` would not be met.";
const confined = (why: string, abuse: string): Reason => ({ why, without: restrictedWithout, abuse });
const tlsMount = (whose: string): Reason => ({
  why: "Certificate and key of the two listeners.",
  without: "No TLS.",
  abuse: `Passes for ${whose} towards our own clients.`,
});
const names = { node: "the exporters", gatherer: "the gatherer" };

const everywhere: Readonly<Record<string, Reason>> = {
  "in: 9443 TCP from namespaces with network.openshift.io/policy-group=monitoring or namespaces with kubernetes.io/metadata.name=monitoring":
    {
      why: "Metrics. The proxy asks the API server whether the caller may `get` `/metrics`.",
      without: "No metrics.",
      abuse: "Any pod of such a namespace may knock; without a token that the API server accepts it gets 401.",
    },
  "out: 53 TCP, 5353 TCP, 53 UDP, 5353 UDP to anywhere": {
    why: "Names. Where DNS is differs by cluster; OpenShift's listens on 5353.",
    without: "No name resolves.",
    abuse: "Sends data out through DNS, as from nearly every pod.",
  },
};

const apiServer = (also: string): Readonly<Record<string, Reason>> => ({
  "out: 443 TCP, 6443 TCP to anywhere": {
    why: `The API server${also}. Its address differs by cluster.`,
    without: "The pod cannot reach the API server.",
    abuse: "Sends data to any address on these ports. Narrow it with your cluster's egress firewall if you have one.",
  },
});

const pid =
  "With the pod's `hostPID`: reads the command line of every process of the node, and looks into those of its own user number, which no other pod has unless somebody chose it on purpose.";

export const podReasons: Reasons = {
  "Deployment runtime-insights-operator": {
    "every container: token for the API server": {
      why: "Operator and proxy ask the API server as `runtime-insights-operator`.",
      without: "Neither can.",
      abuse:
        "All of ClusterRole and Roles `runtime-insights-operator` above. The proxy holds the same token as the operator: it is the one container of ours with more rights than it needs.",
    },
    "operator: restricted": confined("Needs nothing of its node.", "What its token allows."),
    "kube-rbac-proxy-metrics: restricted": confined("Needs nothing of its node.", "What its token allows."),
    "operator: /var/run/secrets/runtime-insights/gatherer (read-only): token for runtime-insights-gatherer, 600 s": {
      why: "Shown to the gatherer's proxy, which accepts no other audience.",
      without: "The gatherer refuses it.",
      abuse: "Asks the gatherer for ten minutes. The API server refuses this token.",
    },
  },
  "Deployment runtime-insights-gatherer": {
    "gatherer: restricted": confined("Needs nothing of its node.", "What its tokens allow."),
    "kube-rbac-proxy: restricted": confined("Needs nothing of its node.", "What its token allows."),
    "kube-rbac-proxy-metrics: restricted": confined("Needs nothing of its node.", "What its token allows."),
    "gatherer: /var/lib/insights-operator: emptyDir of 1Gi": {
      why: "The archives, the inventory, the outcomes of gathers.",
      without: "No archive can be written (`ArchiveWriteFailed`).",
      abuse: "Reads and forges them.",
    },
    "gatherer: /var/run/secrets/runtime-insights/exporter (read-only): token for runtime-insights-exporter, 600 s": {
      why: "Shown to the exporters' proxies, which accept no other audience.",
      without: "Every node is lost (`NoToken`).",
      abuse: "Asks the nodes which runtimes their containers have, for ten minutes. The API server refuses this token.",
    },
    "gatherer: /etc/runtime-insights/ca (read-only): ConfigMap runtime-insights-ca-bundle": {
      why: "Which CA the exporters' certificates must come from.",
      without: "Every node is lost (`NoTrust`).",
      abuse: "Public certificates: nothing.",
    },
    "kube-rbac-proxy, kube-rbac-proxy-metrics: /etc/tls/private (read-only): Secret runtime-insights-gatherer-tls":
      tlsMount(names.gatherer),
    "gatherer, kube-rbac-proxy, kube-rbac-proxy-metrics: /var/run/secrets/kubernetes.io/serviceaccount (read-only): token for the API server, 3600 s":
      {
        why: "The gatherer lists pods; the proxies have callers reviewed.",
        without: "Nothing is gathered, nobody is let in.",
        abuse: "All of ClusterRole `runtime-insights-gatherer` above, for an hour.",
      },
  },
  "DaemonSet runtime-insights-extractor": {
    "pod: hostPID: true": {
      why: "The extractor finds the processes of all containers of its node.",
      without: "It sees its own pod only.",
      abuse:
        "Sees every process of the node by number and name. Alone no leave to look inside: that needs the extractor's capabilities.",
    },
    "pod: fsGroup: 2000065532": {
      why: "The extractor writes answers for this group, the exporter reads and deletes them as a member.",
      without: "The exporter would have to run as root.",
      abuse: "Nothing outside `/data`.",
    },
    "kube-rbac-proxy: restricted, user 2000065532": confined("Needs nothing of its node.", pid),
    "kube-rbac-proxy-metrics: restricted, user 2000065532": confined("Needs nothing of its node.", pid),
    "exporter: restricted, user 2000065532": confined(
      "Needs nothing of its node. It has no token and no certificate.",
      pid,
    ),
    "extractor: privileged: true": {
      why: "Looks into the processes of other containers. The default, as OpenShift's own extractor; `spec.extractor.securityProfile: LeastPrivilege` does without (below).",
      without: "With LeastPrivilege nothing is missing; see [what was tried](security.md#least-privilege).",
      abuse:
        "**The most serious.** Code that takes over the extractor's parent process owns the node. What keeps it out: [rules and their checks](security.md#rules-and-how-to-check-each).",
    },
    "extractor: readOnlyRootFilesystem: true": {
      why: "Its image holds two programs; nothing is to be added.",
      without: "Nothing would be missing; it is a limit, not a right.",
      abuse: "Cannot change the image's files in place.",
    },
    "extractor: runAsUser: 0": {
      why: "Its capabilities come with root: a program that another user starts in a container has none.",
      without: "It does not start.",
      abuse: "See the line about privileges.",
    },
    "exporter, extractor: /data: emptyDir of 128Mi in memory": {
      why: "The extractor's answers, for a second. In memory, so that the kernel holds it to its size.",
      without: "No answers.",
      abuse: "From the exporter: forges answers of this node.",
    },
    "extractor: /var/log/containers (read-only): host path /var/log/containers": {
      why: "The names of the links in it say which container belongs to which pod. What they point to is not mounted.",
      without: "Answers lack the pods' names; a selection by namespace is not possible.",
      abuse: "Reads names of pods, namespaces and containers of the node.",
    },
    "kube-rbac-proxy, kube-rbac-proxy-metrics: /etc/tls/private (read-only): Secret runtime-insights-exporter-tls":
      tlsMount(names.node),
    "kube-rbac-proxy: /etc/kube-rbac-proxy (read-only): ConfigMap runtime-insights-exporter-proxy": {
      why: "Lets the gatherer's account ask `/gather_runtime_info`, and nobody else without review.",
      without: "The gatherer would need one more rule in a role.",
      abuse: "Nothing secret in it.",
    },
    "kube-rbac-proxy, kube-rbac-proxy-metrics: /var/run/secrets/kubernetes.io/serviceaccount (read-only): token for the API server, 3600 s":
      {
        why: "The proxies have callers reviewed. Extractor and exporter have no token.",
        without: "Nobody is let in.",
        abuse: "All of ClusterRole `runtime-insights-extractor` above, for an hour.",
      },
  },
  "DaemonSet runtime-insights-extractor with LeastPrivilege": {
    "extractor: privileged: false": {
      why: "The eight capabilities below, and nothing else.",
      without: "See above.",
      abuse: "Two of the eight are keys to the node for whoever runs code in the parent: see below.",
    },
    "extractor: allowPrivilegeEscalation: true": {
      why: "The API server demands it beside `SYS_ADMIN`. The program sets `no_new_privs` itself.",
      without: "The API server refuses the pod.",
      abuse: "Nothing: the image holds no program that gains by being started.",
    },
    "extractor: capabilities.drop: ALL": {
      why: "What is not listed here is not there.",
      without: "The container runtime's dozen defaults would be there.",
      abuse: "It is a limit, not a right.",
    },
    "extractor: capabilities.add: DAC_READ_SEARCH": {
      why: "Opens a program that only its owner may read, and the environment of another user's process.",
      without: "It does not start; if it did, such containers would have an operating system and no kind.",
      abuse: "Reads every file that it can name, whatever its mode.",
    },
    "extractor: capabilities.add: KILL": {
      why: "Ends its own child that is late and has another user by then.",
      without: "It does not start: late children could not be ended.",
      abuse: "Ends any process of the node.",
    },
    "extractor: capabilities.add: SETGID": {
      why: "The child takes the container's groups.",
      without: "It does not start: children would keep root's groups.",
      abuse: "Takes any group.",
    },
    "extractor: capabilities.add: SETPCAP": {
      why: "Gives up the bounding set, so that a child cannot gain what it gave up.",
      without: "It does not start.",
      abuse: "Gives up capabilities; gains none.",
    },
    "extractor: capabilities.add: SETUID": {
      why: "The child becomes the container's user.",
      without: "It does not start: children would stay root.",
      abuse: "Becomes any user.",
    },
    "extractor: capabilities.add: SYS_ADMIN": {
      why: "Enters a container's mount and pid namespaces.",
      without: "It does not start: nothing could be looked at.",
      abuse: "**A key to the node**: enters the host's namespaces, mounts.",
    },
    "extractor: capabilities.add: SYS_CHROOT": {
      why: "Entering a mount namespace moves the root directory, too.",
      without: "It does not start.",
      abuse: "Changes its own root directory.",
    },
    "extractor: capabilities.add: SYS_PTRACE": {
      why: "Opens `exe`, `root`, `cwd`, `maps` and the namespaces of processes that have another user or capabilities.",
      without: "It does not start: nothing could be looked at.",
      abuse: "**A key to the node**: traces any process, root's included.",
    },
    "extractor: seccompProfile.type: RuntimeDefault": {
      why: "The container runtime's filter for the parent; children add a filter of their own.",
      without: "Nothing would be missing; it is a limit, not a right.",
      abuse: "It is a limit, not a right.",
    },
    "extractor: appArmorProfile.type: Unconfined": {
      why: "The runtimes' default profiles forbid tracing across profiles. Means nothing on nodes without AppArmor.",
      without: "With AppArmor nothing could be looked at. Not tested here.",
      abuse: "As a privileged container: AppArmor does not hold it back.",
    },
    "extractor: seLinuxOptions.type: spc_t": {
      why: "`container_t` may not open other containers' processes. Means nothing on nodes without SELinux.",
      without: "With SELinux nothing could be looked at. Not tested here.",
      abuse: "As a privileged container: SELinux does not hold it back.",
    },
  },
  SecurityContextConstraints: {
    "allowHostDirVolumePlugin: true": {
      why: "The host path `/var/log/containers`. An SCC cannot name the path; the DaemonSet does.",
      without: "The pod is refused.",
      abuse: "Mounts any path of the node.",
    },
    "allowHostIPC: false": { why: "Not needed.", without: "", abuse: "" },
    "allowHostNetwork: false": { why: "Not needed.", without: "", abuse: "" },
    "allowHostPID: true": {
      why: "See `hostPID` of the pod.",
      without: "The pod is refused.",
      abuse: "See there.",
    },
    "allowHostPorts: false": { why: "Not needed.", without: "", abuse: "" },
    "allowPrivilegeEscalation: true": {
      why: "A privileged container, or one with `SYS_ADMIN`, cannot be without it.",
      without: "The pod is refused.",
      abuse: "See `privileged` of the pod.",
    },
    "allowPrivilegedContainer: true": {
      why: "See `privileged` of the pod.",
      without: "The pod is refused.",
      abuse: "See there.",
    },
    "allowedCapabilities: none": { why: "Not needed by a privileged container.", without: "", abuse: "" },
    "defaultAddCapabilities: none": { why: "Nothing is added unasked.", without: "", abuse: "" },
    "requiredDropCapabilities: none": {
      why: "The pod's other containers drop all themselves.",
      without: "",
      abuse: "",
    },
    "priority: null": { why: "It is never preferred to the cluster's own SCCs.", without: "", abuse: "" },
    "readOnlyRootFilesystem: true": {
      why: "Every container of the pod has a read-only root file system.",
      without: "",
      abuse: "It is a limit, not a right.",
    },
    "fsGroup: RunAsAny": {
      why: "Group 2000065532 of `/data`.",
      without: "The pod is refused.",
      abuse: "Nothing more.",
    },
    "runAsUser: RunAsAny": {
      why: "User 0 for the extractor, 2000065532 for the others.",
      without: "The pod is refused.",
      abuse: "Runs as any user in pods of the extractor's account.",
    },
    "seLinuxContext: RunAsAny": {
      why: "Privileged containers and `spc_t`.",
      without: "The pod is refused, or the extractor finds nothing.",
      abuse: "Chooses any SELinux type in pods of the extractor's account.",
    },
    "seccompProfiles: runtime/default": {
      why: "The containers that are not privileged ask for it.",
      without: "The pod is refused.",
      abuse: "No other profile, and none of a node's own, can be asked for.",
    },
    "supplementalGroups: RunAsAny": {
      why: "The groups that a pod asks for by `fsGroup`.",
      without: "The pod is refused.",
      abuse: "Nothing more than user 0.",
    },
    "volumes: configMap, downwardAPI, emptyDir, hostPath, projected, secret": {
      why: "See the mounts of the pod; `downwardAPI` is part of a projected volume.",
      without: "The pod is refused.",
      abuse: "No claims, no network file systems.",
    },
    "users: none": {
      why: "The account gets it by `use` in its ClusterRole.",
      without: "",
      abuse: "See the operator's rule for this SCC.",
    },
    "groups: none": { why: "As above.", without: "", abuse: "" },
  },
  "SecurityContextConstraints with LeastPrivilege": {
    "allowPrivilegedContainer: false": {
      why: "The operator changes the SCC with the profile.",
      without: "",
      abuse: "It is a limit, not a right.",
    },
    "allowedCapabilities: DAC_READ_SEARCH, KILL, SETGID, SETPCAP, SETUID, SYS_ADMIN, SYS_CHROOT, SYS_PTRACE": {
      why: "The eight of the pod.",
      without: "The pod is refused.",
      abuse: "See the capabilities of the pod.",
    },
  },
  "NetworkPolicy runtime-insights-operator": {
    ...everywhere,
    ...apiServer(", and the endpoint of `spec.upload`"),
    "out: 8443 TCP to pods with app.kubernetes.io/name=runtime-insights-gatherer": {
      why: "Orders gathers, reads outcomes and archives.",
      without: "Nothing is gathered (`GathererUnreachable`).",
      abuse: "Talks to the gatherer's proxy.",
    },
  },
  "NetworkPolicy runtime-insights-gatherer": {
    ...everywhere,
    ...apiServer(""),
    "in: 8443 TCP from pods with app.kubernetes.io/name=runtime-insights-operator": {
      why: "The operator's orders. `kubectl port-forward` comes from the node and is not held back.",
      without: "Nothing is gathered (`GathererUnreachable`).",
      abuse: "Any pod of this namespace with that label may knock; the proxy still reviews its token.",
    },
    "out: 8443 TCP to pods with app.kubernetes.io/name=runtime-insights-extractor": {
      why: "Asks the nodes.",
      without: "Every node is lost (`Unreachable`).",
      abuse: "Talks to the exporters' proxies.",
    },
  },
  "NetworkPolicy runtime-insights-extractor": {
    ...everywhere,
    ...apiServer(""),
    "in: 8443 TCP from pods with app.kubernetes.io/name=runtime-insights-gatherer": {
      why: "The gatherer's questions.",
      without: "Every node is lost (`Unreachable`).",
      abuse: "Any pod of this namespace with that label may knock; the proxy still reviews its token.",
    },
  },
  "SecurityContextConstraints of the standalone variant": {
    "priority: 0": { why: "It is never preferred to the cluster's own SCCs.", without: "", abuse: "" },
    "volumes: emptyDir, hostPath": {
      why: "`/data` and `/var/log/containers`; no proxy, so no token, Secret or ConfigMap.",
      without: "The pod is refused.",
      abuse: "See above.",
    },
    "users: system:serviceaccount:runtime-insights-standalone:runtime-insights-standalone": {
      why: "The one account that may use it; no ClusterRole is shipped for it.",
      without: "The pod is refused.",
      abuse: "Whoever may create pods in that namespace as that account gets privileged ones.",
    },
  },
};
