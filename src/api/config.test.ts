import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodeConfig, defaultSettings, specSchema } from "./config.ts";

const metadata = { name: "cluster", uid: "u", generation: 3, creationTimestamp: "2026-01-01T00:00:00Z" };
const config = (spec: unknown, status?: unknown) => decodeConfig({ metadata, spec, status });

test("an empty spec and a missing one take every default", () => {
  assert.equal(config({}), {
    kind: "valid",
    identity: { uid: "u", generation: 3, createdMs: Date.UTC(2026, 0), status: {} },
    settings: defaultSettings,
  });
  assert.equal(config(undefined), config({}));
  assert.equal(defaultSettings, {
    managementState: "Managed",
    featureGate: "Required",
    runtimeInfo: "Enabled",
    extractor: { securityProfile: "Privileged", readyTimeout: 300_000, containerTimeout: 5_000 },
    gather: {
      interval: 43_200_000,
      podLimit: 8000,
      nodeTimeout: 120_000,
      nodeConcurrency: 50,
      helm: "Enabled",
      images: "Enabled",
    },
    storage: { emptyDir: { sizeLimit: "1Gi" }, retention: { archives: 5 } },
    inventory: "Enabled",
    logLevel: "Normal",
    lifecycle: "Continuous",
  });
});

test("a config that is being deleted is absent: nothing is made for it any more", () => {
  const going = { ...metadata, deletionTimestamp: "2026-01-02T00:00:00Z", finalizers: ["foregroundDeletion"] };
  assert.equal(decodeConfig({ metadata: going, spec: {} }), { kind: "absent" });
});

const refused: readonly { readonly rule: string; readonly spec: object; readonly problem: RegExp }[] = [
  {
    rule: "an interval under ten minutes",
    spec: { gather: { interval: "9m59s" } },
    problem: /^spec\.gather\.interval: must be between 10m and 720h$/,
  },
  {
    rule: "an interval that is no duration",
    spec: { gather: { interval: "soon" } },
    problem: /^spec\.gather\.interval: /,
  },
  { rule: "no nodes at a time", spec: { gather: { nodeConcurrency: 0 } }, problem: /^spec\.gather\.nodeConcurrency: / },
  { rule: "an unknown management state", spec: { managementState: "Maybe" }, problem: /^spec\.managementState: / },
  {
    rule: "a security profile of one's own",
    spec: { extractor: { securityProfile: "None" } },
    problem: /^spec\.extractor\.securityProfile: /,
  },
  {
    rule: "a size that is none",
    spec: { storage: { emptyDir: { sizeLimit: "1Gi; rm" } } },
    problem: /^spec\.storage\.emptyDir\.sizeLimit: /,
  },
  {
    rule: "an age of archives under an hour",
    spec: { storage: { retention: { age: "59m" } } },
    problem: /^spec\.storage\.retention\.age: must be between 1h and 87600h$/,
  },
  {
    rule: "a label value that is none",
    spec: { extractor: { nodeSelector: { a: "b c" } } },
    problem: /^spec\.extractor\.nodeSelector\.a: /,
  },
];
for (const { rule, spec, problem } of refused)
  test(`${rule} is refused with the field's path`, () => {
    const decoded = config(spec);
    assert.is(decoded.kind, "invalid");
    if (decoded.kind === "invalid") assert.match(decoded.problem, problem);
  });

const durations: readonly (readonly [string, number])[] = [
  ["10m", 600_000],
  ["1h30m", 5_400_000],
  ["720h", 2_592_000_000],
  ["3600s", 3_600_000],
];
for (const [text, ms] of durations)
  test(`an interval of ${text} is ${ms} ms`, () => {
    assert.is(specSchema.parse({ gather: { interval: text } }).gather.interval, ms);
  });

test("whole numbers are quantities, as in every Kubernetes object", () => {
  assert.equal(specSchema.parse({ extractor: { resources: { limits: { cpu: 1 } } } }).extractor.resources, {
    limits: { cpu: "1" },
  });
});

test("a status that somebody damaged is as good as none", () => {
  const decoded = config({}, { conditions: "all fine" });
  assert.equal(decoded.kind === "valid" ? decoded.identity.status : undefined, {});
});

test("a status of another version: what is not known is left out, whose cluster it is stays known", () => {
  const operator = { namespace: "other", uid: "1" };
  const decoded = config({}, { operator, storage: "NewerThanThis", novelty: 1, version: "9.0.0" });
  assert.equal(decoded.kind === "valid" ? decoded.identity.status : undefined, { operator, version: "9.0.0" });
});

test("whatever the spec holds, it is decoded or refused, never thrown at", () => {
  fc.assert(
    fc.property(fc.anything(), (spec) => {
      assert.ok(["valid", "invalid"].includes(config(spec).kind));
    }),
  );
});

test.run();
