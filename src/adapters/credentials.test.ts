import { test } from "uvu";
import * as assert from "uvu/assert";
import { type ExporterAccess, ownExporters, stockExporters } from "../core/exporters.ts";
import { clusterCredentials } from "./credentials.ts";

interface Call {
  readonly path: string;
  readonly body?: unknown;
}

const answering = (status: number, body: unknown) => {
  const calls: Call[] = [];
  const call = async ({ path, body: sent }: Call) => {
    calls.push({ path, ...(sent === undefined ? {} : { body: sent }) });
    return { status, body };
  };
  return { calls, call };
};
const stock = stockExporters("openshift-insights");
const own = ownExporters("runtime-insights");
const problemOf = (attempt: Promise<unknown>) => attempt.then(() => "no problem", String);

const tokens: readonly { readonly rule: string; readonly access: ExporterAccess; readonly audiences: object }[] = [
  { rule: "ours demand an audience", access: own, audiences: { audiences: ["runtime-insights-exporter"] } },
  { rule: "OpenShift's take a token for the API server", access: stock, audiences: {} },
];
for (const { rule, access, audiences } of tokens)
  test(`token: ${rule}; one is used for five minutes`, async () => {
    let nowMs = 0;
    const api = answering(201, { status: { token: "t" } });
    const credentials = clusterCredentials(api, access, () => nowMs);
    for (const atMs of [0, 300_000, 300_001]) {
      nowMs = atMs;
      assert.is(await credentials.token(), "t");
    }
    const { namespace, serviceAccount } = access;
    const call = {
      path: `/api/v1/namespaces/${namespace}/serviceaccounts/${serviceAccount}/token`,
      body: {
        ...{ apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest" },
        spec: { ...audiences, expirationSeconds: 600 },
      },
    };
    assert.equal(api.calls, [call, call]);
  });

const bundles: readonly { readonly access: ExporterAccess; readonly path: string; readonly key: string }[] = [
  {
    ...{ access: own, key: "ca.crt" },
    path: "/api/v1/namespaces/runtime-insights/configmaps/runtime-insights-ca-bundle",
  },
  {
    ...{ access: stock, key: "service-ca.crt" },
    path: "/api/v1/namespaces/openshift-insights/configmaps/service-ca-bundle",
  },
];
for (const { access, path, key } of bundles)
  test(`CA: key ${key} of ${path}`, async () => {
    const api = answering(200, { data: { other: "x", [key]: "PEM" } });
    assert.is(await clusterCredentials(api, access, () => 0).ca(), "PEM");
    assert.equal(api.calls, [{ path }]);
  });

const problems: readonly {
  readonly rule: string;
  readonly status: number;
  readonly body?: unknown;
  readonly ca: RegExp;
  readonly token: RegExp;
}[] = [
  {
    ...{ rule: "forbidden", status: 403 },
    ca: /^Error: this user may not get ConfigMap openshift-insights\/service-ca-bundle$/,
    token: /^Error: this user may not create a token of service account openshift-insights\/operator$/,
  },
  {
    ...{ rule: "absent", status: 404 },
    ca: /^Error: there is no ConfigMap openshift-insights\/service-ca-bundle$/,
    token: /^Error: there is no service account openshift-insights\/operator$/,
  },
  {
    ...{ rule: "anything else, with the API server's words", status: 500, body: { message: "no etcd" } },
    ca: /service-ca-bundle: status 500: no etcd$/,
    token: /requesting a token of .*operator: status 500: no etcd$/,
  },
];
for (const { rule, status, body, ca, token } of problems)
  test(`neither CA nor token: ${rule}`, async () => {
    const credentials = clusterCredentials(answering(status, body), stock, () => 0);
    assert.match(await problemOf(credentials.ca()), ca);
    assert.match(await problemOf(credentials.token()), token);
  });

test("a bundle without its key has no CA", async () => {
  const credentials = clusterCredentials(answering(200, { data: { "ca.crt": "PEM" } }), stock, () => 0);
  assert.match(await problemOf(credentials.ca()), /service-ca-bundle has no service-ca\.crt$/);
});

test.run();
