/** How Prometheus finds, trusts and judges our parts, where the cluster has prometheus-operator's kinds. */
import { alertRules } from "./alerts.ts";
import type { Draft } from "./desired-input.ts";
import { nameLabel, names } from "./operands.ts";

/** Prometheus's own token: the proxies ask the API server whether its account may get `/metrics`. */
const bearerTokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token";

interface Monitored {
  readonly name: string;
  /** Value of the name label of its Service. */
  readonly service: string;
  readonly namespace: string;
  /** The Service that its certificate is for. */
  readonly serverName: string;
}

/** A part whose certificate our CA signed. */
export function serviceMonitor({ name, service, serverName, namespace }: Monitored): Draft {
  return monitor(name, service, {
    ca: { configMap: { name: names.caBundle, key: "ca.crt" } },
    serverName: `${serverName}.${namespace}.svc`,
  });
}

/** The operator's pods mount nothing that the operator makes, so their proxy's certificate is one of its own making. */
export function operatorMonitor(): Draft {
  return monitor(names.operator, names.operator, { insecureSkipVerify: true });
}

function monitor(name: string, service: string, tlsConfig: object): Draft {
  return {
    kind: "ServiceMonitor",
    name,
    body: {
      spec: {
        selector: { matchLabels: { [nameLabel]: service } },
        // Rarely: on each node every second scrape asks the API server who it is.
        endpoints: [{ port: "metrics", scheme: "https", path: "/metrics", interval: "2m", bearerTokenFile, tlsConfig }],
      },
    },
  };
}

export function alerts(namespace: string): Draft {
  return {
    kind: "PrometheusRule",
    name: names.alerts,
    body: { spec: { groups: [{ name: "runtime-insights", rules: alertRules(namespace) }] } },
  };
}
