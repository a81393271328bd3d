/** What an administrator is to be told by Prometheus, over the metrics of docs/metrics.md. */

export const alertNames = [
  "RuntimeInsightsDegraded",
  "RuntimeInsightsUnavailable",
  "RuntimeInsightsGatherOverdue",
  "RuntimeInsightsNodesMissing",
  "RuntimeInsightsUploadFailing",
  "RuntimeInsightsWatchesUnstable",
  "RuntimeInsightsRunsFailing",
  "RuntimeInsightsNoLeader",
] as const;
export type AlertName = (typeof alertNames)[number];

export interface AlertRule {
  readonly alert: AlertName;
  readonly expr: string;
  readonly for: string;
  readonly labels: { readonly severity: "warning" | "info" };
  readonly annotations: { readonly summary: string; readonly description: string; readonly runbook_url: string };
}

interface Alert {
  readonly expr: string;
  readonly for: string;
  readonly severity: "warning" | "info";
  readonly summary: string;
  readonly description: string;
}

/**
 * The rules for the installation in that namespace. Of the operator's pods only the one that leads knows anything; the others say -1
 * or 0, so the maximum is what is known. Without any pod the first three are silent, and the last one speaks.
 */
export function alertRules(namespace: string): readonly AlertRule[] {
  const known = alertsOf(`namespace="${namespace}"`, namespace);
  return alertNames.map((alert) => {
    const { expr, for: pending, severity, summary, description } = known[alert];
    const runbook_url = `https://runtime-insights.invalid/docs/conditions.md#${alert.toLowerCase()}`;
    return { alert, expr, for: pending, labels: { severity }, annotations: { summary, description, runbook_url } };
  });
}

function alertsOf(here: string, namespace: string): Readonly<Record<AlertName, Alert>> {
  const operator = (metric: string, labels = here) => `runtime_insights_operator_${metric}{${labels}}`;
  const most = (series: string) => `max by (namespace) (${series})`;
  const interval = most(operator("gather_interval_seconds"));
  const lastSuccess = most(operator("last_successful_gather_timestamp_seconds"));
  const runs = (result: string) =>
    `sum by (namespace, loop) (increase(${operator("runs_total", `${here},result="${result}"`)}[15m]))`;
  const uploads = (match: string, range: string) =>
    `sum by (namespace) (increase(${operator("uploads_total", `${here},result${match}`)}[${range}]))`;
  return {
    RuntimeInsightsDegraded: {
      expr: `${most(operator("condition", `${here},type="Degraded"`))} == 1`,
      for: "30m",
      severity: "warning",
      summary: "Runtime Insights is degraded",
      description: `Its condition Degraded has been True for half an hour. kubectl get ire says the reason, kubectl describe ire cluster what to do.`,
    },
    RuntimeInsightsUnavailable: {
      expr: `${most(operator("condition", `${here},type="Available"`))} == 0`,
      for: "30m",
      severity: "warning",
      summary: "Runtime Insights cannot gather",
      description: `Its condition Available has been False for half an hour. kubectl describe ire cluster says why.`,
    },
    RuntimeInsightsGatherOverdue: {
      expr: `time() - ${lastSuccess} > 2 * ${interval} and ${interval} > 0`,
      for: "1h",
      severity: "warning",
      summary: "No gather has succeeded for more than two intervals",
      description: `The newest archive is older than twice spec.gather.interval. kubectl get rg shows the last gathers, kubectl describe rg NAME why one failed.`,
    },
    RuntimeInsightsNodesMissing: {
      expr: `sum by (namespace, reason) (increase(runtime_insights_gatherer_node_failures_total{${here}}[1d])) > 0`,
      for: "1d",
      severity: "info",
      summary: "Nodes are missing from the gathers",
      description: `For a day gathers have had no runtimes of some nodes, or dropped a part of them, for reason {{ $labels.reason }}. kubectl describe rg names the nodes.`,
    },
    RuntimeInsightsUploadFailing: {
      expr: `${uploads('!="Uploaded"', "6h")} > 0 unless ${uploads('="Uploaded"', "1d")} > 0`,
      for: "1h",
      severity: "warning",
      summary: "Archives cannot be uploaded",
      description: `Uploads have failed, and none has succeeded for a day. kubectl get ire cluster -o yaml has the reason in status.lastUpload.`,
    },
    RuntimeInsightsWatchesUnstable: {
      expr: `sum by (namespace) (increase(${operator("watch_restarts_total")}[15m])) > 150`,
      for: "30m",
      severity: "info",
      summary: "The operator's watches keep breaking",
      description: `Its watches have been begun anew more than ten times a minute. The API server, or what lies before it, closes them with errors; the operator goes on, more slowly.`,
    },
    RuntimeInsightsRunsFailing: {
      expr: `${runs("failed")} > 0 unless ${runs("done")} > 0`,
      for: "15m",
      severity: "warning",
      summary: "The operator cannot do its work",
      description: `Each run of its loop {{ $labels.loop }} fails, so that its conditions may be out of date. kubectl -n ${namespace} logs -l app.kubernetes.io/name=runtime-insights-operator -c operator says why.`,
    },
    RuntimeInsightsNoLeader: {
      expr: `absent(${operator("leader")} == 1)`,
      for: "15m",
      severity: "warning",
      summary: "No pod of the operator leads",
      description: `None has held Lease runtime-insights-operator in ${namespace} for a quarter of an hour, or none can be scraped. kubectl -n ${namespace} get pods,lease shows which.`,
    },
  };
}
