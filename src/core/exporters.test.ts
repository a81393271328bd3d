import { test } from "uvu";
import * as assert from "uvu/assert";
import { chosenExporters, type ExporterAccess, type ExporterChoice } from "./exporters.ts";

const stock: ExporterAccess = {
  namespace: "openshift-insights",
  selector: "app.kubernetes.io/name=insights-runtime-extractor",
  serverName: "exporter.openshift-insights.svc.cluster.local",
  caBundle: { name: "service-ca-bundle", key: "service-ca.crt" },
  serviceAccount: "operator",
  givesDetail: false,
};
const own: ExporterAccess = {
  namespace: "runtime-insights",
  selector: "app.kubernetes.io/name=runtime-insights-extractor",
  serverName: "runtime-insights-exporter.runtime-insights.svc",
  caBundle: { name: "runtime-insights-ca-bundle", key: "ca.crt" },
  serviceAccount: "runtime-insights-gatherer",
  audience: "runtime-insights-exporter",
  givesDetail: true,
};
const ownElsewhere = { ...own, namespace: "ri", serverName: "runtime-insights-exporter.ri.svc" };

const rows: readonly {
  readonly rule: string;
  readonly choice: ExporterChoice;
  readonly expected: ExporterAccess;
}[] = [
  { rule: "nothing chosen: OpenShift's", choice: {}, expected: stock },
  { rule: "our namespace: ours", choice: { namespace: "runtime-insights" }, expected: own },
  { rule: "our selector: ours", choice: { selector: own.selector }, expected: own },
  {
    rule: "our selector in another namespace: ours there",
    choice: { selector: own.selector, namespace: "ri" },
    expected: ownElsewhere,
  },
  {
    rule: "another namespace: OpenShift's there",
    choice: { namespace: "ins" },
    expected: { ...stock, namespace: "ins", serverName: "exporter.ins.svc.cluster.local" },
  },
  {
    rule: "OpenShift's selector in our namespace: OpenShift's",
    choice: { namespace: "runtime-insights", selector: stock.selector },
    expected: { ...stock, namespace: "runtime-insights", serverName: "exporter.runtime-insights.svc.cluster.local" },
  },
  {
    rule: "an unknown selector: the namespace decides",
    choice: { namespace: "runtime-insights", selector: "team=insights" },
    expected: { ...own, selector: "team=insights" },
  },
  { rule: "a server name is taken as it is", choice: { serverName: "a.b" }, expected: { ...stock, serverName: "a.b" } },
];
for (const { rule, choice, expected } of rows) test(rule, () => assert.equal(chosenExporters(choice), expected));

test.run();
