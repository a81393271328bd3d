/** What the API server refuses of a config, and that it says which field and why. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { gathererSide, nodeSide, OperatorWorld } from "./operator-world.ts";

let world: OperatorWorld;

test.before(async () => {
  world = await OperatorWorld.start({ controllers: false });
  await world.applyCrds();
});
test.after(async () => {
  await world.stop();
});

const extractor = (fields: object) => ({ extractor: fields });
const toleration = (fields: object) => extractor({ tolerations: [fields] });
const gather = (fields: object) => ({ gather: fields });
const upload = (fields: object) => ({
  upload: { endpoint: "https://example.com/upload", tokenSecretRef: { name: "upload" }, ...fields },
});
const sizeLimit = (value: unknown) => ({ storage: { emptyDir: { sizeLimit: value } } });

const refused: readonly (readonly [rule: string, spec: object, says: RegExp])[] = [
  ["managementState is one of three", { managementState: "Off" }, /spec\.managementState.*Unmanaged/],
  ["featureGate is Required or Ignored", { featureGate: "ignored" }, /spec\.featureGate.*Ignored/],
  ["runtimeInfo is Enabled or Disabled", { runtimeInfo: "true" }, /spec\.runtimeInfo.*Disabled/],
  ["lifecycle is Continuous or OnDemand", { lifecycle: "Never" }, /spec\.lifecycle.*OnDemand/],
  [
    "readyTimeout of more than an hour",
    { extractor: { readyTimeout: "61m" } },
    /spec\.extractor\.readyTimeout.*between 10s and 1h/,
  ],
  [
    "containerTimeout of nothing",
    { extractor: { containerTimeout: "0s" } },
    /spec\.extractor\.containerTimeout.*between 1s and 1m/,
  ],
  ["inventory is Enabled or Disabled", { inventory: "No" }, /spec\.inventory.*Disabled/],
  ["logLevel is one of three", { logLevel: "Loud" }, /spec\.logLevel.*Trace/],
  ["interval of less than ten minutes", gather({ interval: "9m" }), /spec\.gather\.interval.*between 10m and 720h/],
  ["interval of more than thirty days", gather({ interval: "721h" }), /spec\.gather\.interval.*between 10m and 720h/],
  ["interval without a unit", gather({ interval: "12" }), /spec\.gather\.interval/],
  ["podLimit of nothing", gather({ podLimit: 0 }), /spec\.gather\.podLimit.*greater than or equal to 1/],
  ["nodeTimeout of nothing", gather({ nodeTimeout: "0s" }), /spec\.gather\.nodeTimeout.*between 1s and 10m/],
  ["nodeConcurrency too high", gather({ nodeConcurrency: 1001 }), /spec\.gather\.nodeConcurrency/],
  ["sizeLimit that is no quantity", sizeLimit("much"), /spec\.storage\.emptyDir\.sizeLimit/],
  ["negative sizeLimit", sizeLimit("-1Gi"), /spec\.storage\.emptyDir\.sizeLimit/],
  ["no archive kept", { storage: { retention: { archives: 0 } } }, /spec\.storage\.retention\.archives/],
  ["archives kept for less than an hour", { storage: { retention: { age: "59m" } } }, /retention\.age.*between 1h and/],
  ["label key of a node that cannot be", extractor({ nodeSelector: { "a b": "c" } }), /nodeSelector.*qualified names/],
  ["label value of a node that cannot be", extractor({ nodeSelector: { a: "c d" } }), /nodeSelector\.a/],
  ["nodes of another OS", extractor({ nodeSelector: { "kubernetes.io/os": "windows" } }), /nodeSelector.*linux only/],
  ["toleration key that cannot be", toleration({ key: "a b" }), /tolerations\[0\].*qualified name/],
  ["toleration without key and Exists", toleration({ operator: "Equal" }), /tolerations\[0\].*must be Exists/],
  ["toleration of any value with a value", toleration({ key: "a", operator: "Exists", value: "b" }), /must be empty/],
  ["toleration for a time without NoExecute", toleration({ key: "a", tolerationSeconds: 5 }), /must be NoExecute/],
  [
    "name of a priority class that cannot be",
    extractor({ priorityClassName: "No!" }),
    /spec\.extractor\.priorityClass/,
  ],
  [
    "request of CPU above its limit",
    extractor({ resources: { requests: { cpu: "2" }, limits: { cpu: 1 } } }),
    /requests\.cpu/,
  ],
  [
    "request of memory above its limit",
    extractor({ resources: { requests: { memory: "1025Mi" }, limits: { memory: "1Gi" } } }),
    /requests\.memory must not exceed/,
  ],
  [
    "upload without a token",
    { upload: { endpoint: "https://example.com/" } },
    /spec\.upload\.tokenSecretRef.*Required/,
  ],
  ["upload to nowhere", { upload: { tokenSecretRef: { name: "upload" } } }, /spec\.upload\.endpoint.*Required/],
  ["upload in clear text", upload({ endpoint: "http://example.com/upload" }), /spec\.upload\.endpoint/],
  ["upload with a password in the address", upload({ endpoint: "https://a:b@example.com/" }), /spec\.upload\.endpoint/],
  ["upload to a port that cannot be", upload({ endpoint: "https://example.com:65536/" }), /must be an https URL/],
  ["upload with two lines in the address", upload({ endpoint: "https://example.com/\nx" }), /spec\.upload\.endpoint/],
  [
    "upload of the operator's own key",
    upload({ tokenSecretRef: { name: "runtime-insights-ca", key: "tls.key" } }),
    /own keys/,
  ],
  ["upload with the token of another namespace", upload({ tokenSecretRef: { name: "a/b" } }), /tokenSecretRef\.name/],
  ["upload every second", upload({ interval: "1s" }), /spec\.upload\.interval.*between 1m and 24h/],
  ["upload through a proxy of another kind", upload({ proxy: "socks5://example.com" }), /spec\.upload\.proxy/],
  ["upload through a proxy with a password", upload({ proxy: "http://a:b@example.com" }), /spec\.upload\.proxy/],
];
for (const [rule, spec, says] of refused)
  test(`refused: ${rule}`, async () => {
    const { status, text } = await world.applyConfig(spec);
    assert.is(status, 422, text);
    assert.match(text, says);
  });

test("a second config is refused by its name", async () => {
  const { status, text } = await world.create(
    "/apis/runtimes.insights.openshift.io/v1alpha1/insightsruntimeextractors",
    {
      apiVersion: "runtimes.insights.openshift.io/v1alpha1",
      kind: "InsightsRuntimeExtractor",
      metadata: { name: "other" },
      spec: {},
    },
  );
  assert.is(status, 422);
  assert.match(text, /the only config is called cluster/);
});

test("what the schema lets through, the API server takes for the DaemonSet as well", async () => {
  await world.startOperator();
  const { status, text } = await world.applyConfig({
    featureGate: "Ignored",
    gather: { interval: "10m", nodeTimeout: "600s" },
    upload: {
      endpoint: "https://console.example.com:8443/api/ingress/v1/upload?a=b",
      ...{ tokenSecretRef: { name: "upload" }, interval: "1m", proxy: "http://proxy.example.com:3128" },
      caConfigMapRef: { name: "trusted-ca-bundle" },
    },
    extractor: {
      nodeSelector: { "node-role.kubernetes.io/worker": "", "kubernetes.io/os": "linux" },
      tolerations: [{ operator: "Exists" }, { key: "a/b", value: "c", effect: "NoExecute", tolerationSeconds: 5 }],
      ...{ priorityClassName: "system-node-critical", containerTimeout: "30s", readyTimeout: "1h" },
      // Below the usual requests.
      resources: { limits: { cpu: "5m", memory: "20Mi" } },
    },
  });
  assert.is(status, 201, text);
  await world.waitForPresent([...gathererSide, ...nodeSide]);
});

test.run();
