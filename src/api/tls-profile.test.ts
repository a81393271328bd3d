import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodeServerTls, intermediateTls, type ServerTls } from "./tls-profile.ts";

const profile = (tlsSecurityProfile: unknown) => ({ spec: { tlsSecurityProfile } });
const custom = (minTLSVersion: unknown, ...ciphers: readonly string[]) =>
  profile({ type: "Custom", custom: { minTLSVersion, ciphers } });
const modern = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];

const rows: readonly { readonly rule: string; readonly object: unknown; readonly expected: ServerTls }[] = [
  { rule: "nothing said: Intermediate", object: { spec: {} }, expected: intermediateTls },
  { rule: "no object at all: Intermediate", object: undefined, expected: intermediateTls },
  { rule: "an unknown word: Intermediate", object: profile({ type: "Best" }), expected: intermediateTls },
  {
    rule: "Modern: 1.3 only",
    object: profile({ type: "Modern", modern: {} }),
    expected: { minVersion: "VersionTLS13", cipherSuites: modern },
  },
  { rule: "Custom without a body: Intermediate", object: profile({ type: "Custom" }), expected: intermediateTls },
  {
    rule: "Custom: known suites by their IANA names, each once",
    object: custom(
      "VersionTLS11",
      "ECDHE-ECDSA-AES128-GCM-SHA256",
      "DHE-RSA-AES128-GCM-SHA256",
      "ECDHE-ECDSA-AES128-GCM-SHA256",
    ),
    expected: { minVersion: "VersionTLS11", cipherSuites: ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"] },
  },
  {
    rule: "Custom without a suite that Go has: those of Intermediate, its own version",
    object: custom("VersionTLS13", "DHE-RSA-AES128-GCM-SHA256"),
    expected: { ...intermediateTls, minVersion: "VersionTLS13" },
  },
  {
    rule: "Custom with a version nobody knows: that of Intermediate",
    object: custom("VersionTLS99", "AES128-SHA"),
    expected: { minVersion: "VersionTLS12", cipherSuites: ["TLS_RSA_WITH_AES_128_CBC_SHA"] },
  },
];
for (const { rule, object, expected } of rows) test(rule, () => assert.equal(decodeServerTls(object), expected));

test("Intermediate has 9 suites, Old 21", () => {
  assert.is(intermediateTls.cipherSuites.length, 9);
  const old = decodeServerTls(profile({ type: "Old" }));
  assert.equal([old.minVersion, new Set(old.cipherSuites).size], ["VersionTLS10", 21]);
});

test.run();
