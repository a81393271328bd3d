/** Why each shipped rule is there. Keyed by role, then by the rule as `ruleText` of facts.ts says it. */

export interface Reason {
  /** What it is for. */
  readonly why: string;
  /** What is missing when it is taken away. */
  readonly without: string;
  /** What somebody gains who has taken over the account that holds it. */
  readonly abuse: string;
}
export type Reasons = Readonly<Record<string, Readonly<Record<string, Reason>>>>;

const proxyReviews = (whose: string, lost: string): Readonly<Record<string, Reason>> => ({
  "create: tokenreviews.authentication.k8s.io": {
    why: `The ${whose} asks the API server whose token a caller shows.`,
    without: lost,
    abuse: "Learns whether a token that they already have is valid, and whose it is.",
  },
  "create: subjectaccessreviews.authorization.k8s.io": {
    why: `The ${whose} asks whether that caller may use the path.`,
    without: lost,
    abuse: "Learns who may do what in the cluster; changes nothing.",
  },
});

export const ruleReasons: Reasons = {
  "ClusterRole runtime-insights-extractor": {
    ...proxyReviews("proxies of the extractor's pod", "Every request to a node is refused: no runtimes, no metrics."),
    "use: securitycontextconstraints.security.openshift.io named runtime-insights-extractor": {
      why: "OpenShift lets the extractor's pods in by this SCC and no other.",
      without: "On OpenShift no extractor pod is created. Elsewhere the rule means nothing.",
      abuse:
        "Nothing by itself: the account may not create pods. Whoever may create pods in the namespace as it gets privileged ones.",
    },
  },
  "ClusterRole runtime-insights-gatherer": {
    "list: pods, namespaces, services": {
      why: "Pods are what is gathered. Namespaces tell which of them opted out. Services are counted by Helm chart.",
      without:
        "Pods: no archive (`PodListFailed`). Namespaces: no node is asked (`OptOutsUnknown`). Services: the charts lack them, and the archive says so.",
      abuse:
        "Reads the spec of every pod of the cluster, and with it every value that somebody wrote into a pod's `env` or command line instead of a Secret.",
    },
    "list: replicasets.apps, daemonsets.apps, statefulsets.apps, deployments.apps": {
      why: "Helm's objects are counted by chart; only those with Helm's label are asked for, not at all with `spec.gather.helm: Disabled`. A gatherer that is told to end looks whether its own Deployment makes another one.",
      without: "The archive has no charts and says so. A drain loses the archives.",
      abuse: "Reads the pod templates of these workloads; little that the pods do not show.",
    },
    "get: nodes": {
      why: "A node without an extractor: the message says which taint or label is the cause.",
      without: "The message names the node without the cause.",
      abuse: "Reads one node at a time by name: addresses, labels, versions.",
    },
    "get: daemonsets.apps named runtime-insights-extractor": {
      why: "Only pods of our DaemonSet, by its uid, are asked and believed.",
      without: "No node is asked.",
      abuse: "Nothing.",
    },
    "get: apiservers.config.openshift.io, networks.config.openshift.io, dnses.config.openshift.io, infrastructures.config.openshift.io named cluster":
      {
        why: "The first: the cluster's TLS profile, which our clients obey. The others: what `spec.gather.obfuscation` has to hide.",
        without: "The profile is taken to be Intermediate. With obfuscation nothing is gathered (`ObfuscationFailed`).",
        abuse: "Reads the cluster's TLS settings, networks and domain.",
      },
    "get: images.image.openshift.io": {
      why: "OpenShift's descriptions of images, each by its digest. Not used with `spec.gather.images: Disabled`.",
      without: "Images are counted, not described.",
      abuse: "Reads the configuration of an image whose digest they know, its environment included.",
    },
    ...proxyReviews("gatherer's proxies", "The operator cannot order gathers, nobody can read archives."),
  },
  "ClusterRole runtime-insights-reader": {
    "get: /v1/archives, /v1/archives/*, /v1/inventory, /v1/version": {
      why: "A person takes a short token of this account and reads archives and inventory through the gatherer's proxy.",
      without: "The archives lie in the gatherer's volume only.",
      abuse:
        "Reads the archives and the inventory, which names workloads and their runtimes in clear text. No pod runs as this account.",
    },
  },
  "ClusterRole runtime-insights-operator": {
    "get, list, watch: insightsruntimeextractors.runtimes.insights.openshift.io": {
      why: "Its config.",
      without: "It does nothing.",
      abuse: "Reads the config and the counts of runtimes in its status.",
    },
    "patch: insightsruntimeextractors/status.runtimes.insights.openshift.io, runtimegathers/status.runtimes.insights.openshift.io":
      {
        why: "Says what it did: conditions, counts, failures.",
        without: "The status stays empty, and gathers are begun again and again.",
        abuse: "Lies in the status.",
      },
    "list, watch, create, delete: runtimegathers.runtimes.insights.openshift.io": {
      why: "Makes the scheduled gathers; keeps the last ten that ended.",
      without:
        "What is installed stays as it is and is not repaired, no gather begins; `OperandFailed` names this permission.",
      abuse: "Orders gathers, at most one a minute; deletes the record of others.",
    },
    "get, list, watch: featuregates.config.openshift.io named cluster": {
      why: "Feature gate `InsightsRuntimeExtractor` decides whether anything runs on the nodes.",
      without: "The nodes stay as they are (`GateUnknown`).",
      abuse: "Reads which features the cluster has. It cannot change the gate.",
    },
    "get, list, watch: apiservers.config.openshift.io named cluster": {
      why: "The cluster's TLS profile, for the proxies.",
      without:
        "On OpenShift what is installed stays as it is; `OperandFailed` names this permission. Where the kind does not exist the profile is Intermediate.",
      abuse: "Reads the API server's settings: TLS profile, audit profile, names of serving certificates.",
    },
    "get, list, watch: clusterversions.config.openshift.io named version": {
      why: "Which version's entry of the feature gate counts; the cluster's id in uploads.",
      without: "The nodes stay as they are (`GateUnknown`).",
      abuse: "Reads the cluster's version, id and update history.",
    },
    "get, list, watch, create, patch, delete: securitycontextconstraints.security.openshift.io named runtime-insights-extractor":
      {
        why: "OpenShift has to let the extractor's pods in. The SCC follows `spec.extractor.securityProfile`.",
        without: "On OpenShift no extractor pod is created; `OperandFailed` says so.",
        abuse:
          "**Serious.** Adds any user or group to the SCC, so that these may run privileged pods where they may create pods.",
      },
    "get, list, watch, create, patch, delete: clusterrolebindings.rbac.authorization.k8s.io named runtime-insights-extractor, runtime-insights-gatherer, runtime-insights-reader":
      {
        why: "Gives the three operands' accounts their roles.",
        without: "The operands start and may do nothing.",
        abuse:
          "Gives the three roles, and what it may do cluster-wide itself, to whom they like: RBAC lets everyone who may write a binding bind a role of which they hold every rule. Such a binding outlasts the stolen token; it bears one of the three names, so look at their role and subjects.",
      },
    "bind: clusterroles.rbac.authorization.k8s.io named runtime-insights-extractor, runtime-insights-gatherer, runtime-insights-reader":
      {
        why: "The API server lets nobody bind a role that has more rights than they have themselves, unless they hold `bind` on that role. `escalate` is not held: the roles cannot be changed.",
        without: "The bindings are refused.",
        abuse: "As the line above; worth nothing alone.",
      },
    "get, list: nodes": {
      why: "Counts the Linux nodes as table rows, and reads those that are not ready, so that a node that is down is not taken for a trouble of the extractor, and three of those that no image is for, to name them.",
      without: "Column Nodes lacks the nodes without extractor; a node that is down counts as a trouble of ours.",
      abuse: "Reads all nodes: names, addresses, labels, versions, images.",
    },
    "get: daemonsets.apps named insights-runtime-extractor": {
      why: "OpenShift's own extractor is named in a condition when it is there.",
      without: "It is not named.",
      abuse: "Reads DaemonSets of that name.",
    },
    "get: leases.coordination.k8s.io named runtime-insights-operator": {
      why: "Whose is its own Lease; and another installation that has the config: is it alive? In whichever namespace.",
      without: "Nobody leads, so nothing works; and a second installation never takes over from one that is gone.",
      abuse: "Nothing.",
    },
    "get: priorityclasses.scheduling.k8s.io": {
      why: "Is there `openshift-user-critical`, and the class that `spec.extractor.priorityClassName` names?",
      without: "What is installed stays as it is and is not repaired; `OperandFailed` names this permission.",
      abuse: "Reads priority classes by name.",
    },
    ...proxyReviews("proxy before the operator's metrics", "The operator's metrics cannot be scraped."),
    "create: /v1/gathers, /v1/gathers/*": {
      why: "Orders a gather from the gatherer. The gatherer's proxy asks the API server about this path.",
      without: "Nothing is gathered (`GathererUnreachable`).",
      abuse: "Orders gathers of whatever namespaces; with a token for audience `runtime-insights-gatherer` only.",
    },
    "get: /v1/gathers/*, /v1/archives, /v1/archives/*, /v1/inventory": {
      why: "Reads how a gather goes, archives for `spec.upload`, and all of it to hand it to a new gatherer.",
      without: "A gather's outcome is never known; nothing is uploaded.",
      abuse: "Reads the archives (hashes) and the inventory, which names workloads and their runtimes in clear text.",
    },
    "update: /v1/archives/*": {
      why: "Puts the archives of an old gatherer into a new one, which takes none of a name that it has.",
      without: "An upgrade, a changed config and a drain lose the archives (event `ArchivesLost`).",
      abuse: "Adds archives that nobody gathered, and has them uploaded; changes none that is there.",
    },
    "get, update, create: /v1/handover": {
      why: "Asks whether a gatherer is new, ends its wait with outcomes and inventory, and lets an old one go.",
      without: "A new gatherer waits for 15 minutes and begins without the archives of before.",
      abuse: "Has a gatherer begin without the archives of before, or end with what only it has.",
    },
  },
  "Role runtime-insights-operator in runtime-insights": {
    "get: namespaces": {
      why: "The uid of the operator's own namespace tells two installations apart. A request for a namespace counts as one inside it, so this Role is enough.",
      without:
        "A new installation does not begin, and its pod is not ready. Later: what is installed stays as it is; `OperandFailed` names this permission.",
      abuse: "Reads the labels and annotations of its own namespace.",
    },
    "list, watch: serviceaccounts, services, configmaps": {
      why: "Notices at once that an operand was changed or deleted. Kubernetes cannot limit a list to several names, so these rules cover the namespace; it asks for its own label.",
      without:
        "Services and ConfigMaps: it notices with its next run, a few minutes later. Accounts: what is installed stays as it is (`OperandFailed`), since it looks up its own one's pull secrets.",
      abuse: "Reads these objects of this namespace.",
    },
    "list, watch: endpointslices.discovery.k8s.io": {
      why: "Where the old and the new gatherer are while one takes over from the other; their names are not known beforehand.",
      without: "A new gatherer waits for 15 minutes and begins without the archives of before.",
      abuse: "Reads names and addresses of the pods behind Services of this namespace.",
    },
    "list, watch: networkpolicies.networking.k8s.io": {
      why: "As above.",
      without: "As above.",
      abuse: "Reads these objects of this namespace.",
    },
    "list, watch: daemonsets.apps, deployments.apps": {
      why: "As above; readiness of the operands comes this way, and the pull secrets of the operator's own Deployment.",
      without: "What is installed stays as it is and is not repaired; `OperandFailed` names this permission.",
      abuse: "Reads these objects of this namespace.",
    },
    "list, watch: servicemonitors.monitoring.coreos.com, prometheusrules.monitoring.coreos.com": {
      why: "As above, where prometheus-operator's kinds are served.",
      without: "As above.",
      abuse: "Reads these objects of this namespace.",
    },
    "list: pods, events": {
      why: "Why pods of ours do not run: images that cannot be pulled, containers that end, pods that are refused. Asked for by our labels and for our DaemonSet, and only while pods are missing. And the pull secrets of the operator's own pods.",
      without:
        "Pods: what is installed stays as it is (`OperandFailed`), since their pull secrets are looked up. Events: conditions say that pods are missing, not why.",
      abuse: "Reads the pods and events of this namespace: images, arguments, nodes.",
    },
    "get, create, patch, delete: serviceaccounts named runtime-insights-extractor, runtime-insights-gatherer, runtime-insights-reader":
      {
        why: "The operands' accounts. It may not create tokens of them.",
        without: "The operands' pods are not created.",
        abuse: "Deletes them, which stops gathering until the operator runs again.",
      },
    "get, create, patch, delete: services named runtime-insights-exporter, runtime-insights-gatherer": {
      why: "The addresses of exporter and gatherer. OpenShift's service CA makes the certificates for them.",
      without: "The gatherer cannot be reached by name.",
      abuse: "Leads the two names to other pods of this namespace.",
    },
    "get, create, patch, delete: configmaps named runtime-insights-exporter-proxy, runtime-insights-ca-bundle": {
      why: "Who may ask the exporters without review, and which CA our clients trust.",
      without: "No extractor pod starts; no client trusts the servers.",
      abuse: "Lets another account ask the exporters; makes the gatherer trust another CA.",
    },
    "get: secrets, configmaps": {
      why: "Token and certificates of `spec.upload`, whose names you choose, are read only when there is something to send. ConfigMap `openshift-service-ca.crt`, by which it sees whether OpenShift's service CA is there, is read always. No `list`.",
      without:
        "What is installed stays as it is and is not repaired; `OperandFailed` names this permission. Without `secrets` alone: no uploads (`NoToken`).",
      abuse: "Reads every Secret of **this namespace** whose name they know. So keep no other Secrets in it.",
    },
    "get, list, watch, create, patch, delete: secrets named runtime-insights-ca, runtime-insights-exporter-tls, runtime-insights-gatherer-tls":
      {
        why: "Keys of our CA and of the two servers where OpenShift's service CA does not make them.",
        without: "On plain Kubernetes no TLS, so nothing is gathered.",
        abuse: "Passes for exporter or gatherer towards our own clients. Nobody else trusts this CA.",
      },
    "create, patch, delete: leases.coordination.k8s.io named runtime-insights-operator": {
      why: "Of the operator's two pods one works. The Lease is owned by the operator's account and goes with it; whoever gives an object an owner has to hold `delete`, which is not used otherwise.",
      without: "Neither works.",
      abuse: "Keeps the operator from working.",
    },
    "get, create, patch, delete: networkpolicies.networking.k8s.io named runtime-insights-extractor, runtime-insights-gatherer":
      {
        why: "Holds our pods to the flows listed below.",
        without: "They may be reached, and reach, what the cluster allows every pod.",
        abuse:
          "Opens our pods to the network, or, with another selector under these names, cuts off other pods of this namespace.",
      },
    "get, create, patch, delete: servicemonitors.monitoring.coreos.com named runtime-insights-operator, runtime-insights-gatherer, runtime-insights-exporter":
      {
        why: "Prometheus finds our metrics.",
        without: "Scraping has to be set up by hand.",
        abuse: "Makes a Prometheus that watches this namespace ask other addresses, and show its token there.",
      },
    "get, create, patch, delete: prometheusrules.monitoring.coreos.com named runtime-insights-alerts": {
      why: "Our alerts.",
      without: "No alerts.",
      abuse: "Silences ours, invents others, makes Prometheus evaluate costly queries.",
    },
    "get, create, patch, delete: daemonsets.apps named runtime-insights-extractor": {
      why: "Runs the extractor on the nodes.",
      without: "No runtimes are found.",
      abuse:
        "**The most serious.** Runs any image as root on every node. Whoever has the operator's token owns the nodes. How to hold it to our images: [below](#holding-the-operator-to-our-images).",
    },
    "get, create, patch, delete: deployments.apps named runtime-insights-gatherer": {
      why: "Runs the gatherer.",
      without: "Nothing is gathered.",
      abuse:
        "**Serious.** Runs any image in this namespace, as any account of it. The namespace allows privileged pods, so on plain Kubernetes this leads to the node as well, unless [held to our images](#holding-the-operator-to-our-images).",
    },
  },
  "Role runtime-insights-operator-events in default": {
    "create: events": {
      why: "Events about the config, which is cluster-scoped; Kubernetes keeps such events in namespace `default`. Installed by OLM the rule holds in every namespace, since OLM cannot grant in a foreign one.",
      without: "No events; conditions say the same.",
      abuse: "Writes misleading events.",
    },
  },
};
