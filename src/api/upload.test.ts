import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodeBundle, decodeClusterId, decodeToken } from "./upload.ts";

const own = ["app.kubernetes.io/managed-by", "runtime-insights-operator"] as const;
const secret = (data: Record<string, string>, more: object = {}) => ({
  ...{ kind: "Secret", metadata: { name: "upload" }, type: "Opaque" },
  data: Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString("base64")])),
  ...more,
});

const rows: readonly (readonly [rule: string, secret: unknown, result: string])[] = [
  ["a token, white space around it left out", secret({ token: " abc.DEF-1\n" }), "abc.DEF-1"],
  ["no such key", secret({ other: "x" }), "has no key token"],
  ["no data at all", { metadata: {} }, "has no key token"],
  ["a key of every object", secret({}, { data: JSON.parse('{"__proto__":"eA=="}') }), "has no key token"],
  ["nothing in it", secret({ token: " \n" }), "has nothing under key token"],
  ["two lines", secret({ token: "a\r\nX-Other: b" }), "holds under key token what can be no token"],
  ["bytes", secret({ token: "\u00e4\u0000" }), "holds under key token what can be no token"],
  ["a book", secret({ token: "a".repeat(16_385) }), "holds under key token what can be no token"],
  [
    "one of the operator's own",
    secret({ token: "a" }, { metadata: { labels: { [own[0]]: own[1] } } }),
    "is one of the operator's own",
  ],
  [
    "a service account's token",
    secret({ token: "a" }, { type: "kubernetes.io/service-account-token" }),
    "is of type kubernetes.io/service-account-token, which is never sent",
  ],
  ["no Secret", "text", "cannot be understood"],
  ["data that is not base64", { metadata: {}, data: { token: "?" } }, "cannot be understood"],
];
for (const [rule, object, result] of rows)
  test(`Secret: ${rule}`, () => {
    const decoded = decodeToken(object, "token", own);
    assert.is(decoded.kind === "found" ? decoded.text : decoded.why, result);
  });

const pem = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
const bundles: readonly (readonly [rule: string, configMap: unknown, result: string])[] = [
  ["certificates", { data: { "ca.pem": pem } }, pem],
  ["no such key", { data: {} }, "has no key ca.pem"],
  ["no data", {}, "has no key ca.pem"],
  ["something else", { data: { "ca.pem": "x" } }, "holds no certificate under key ca.pem"],
  ["no ConfigMap", null, "cannot be understood"],
];
for (const [rule, object, result] of bundles)
  test(`ConfigMap: ${rule}`, () => {
    const decoded = decodeBundle(object, "ca.pem");
    assert.is(decoded.kind === "found" ? decoded.text : decoded.why, result);
  });

test("the cluster's id, when it can be said in a header", () => {
  assert.is(decodeClusterId({ spec: { clusterID: "a1-b2" } }), "a1-b2");
  assert.is(decodeClusterId({ spec: { clusterID: "a\r\nb" } }), undefined);
  assert.is(decodeClusterId({ spec: {} }), undefined);
});

test.run();
