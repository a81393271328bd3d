/** What a random walk may do, drawn by seed: the same seed and number give the same action. */
import fc from "fast-check";
import type { Operand } from "../../src/core/operands.ts";
import { operands } from "../../src/core/operands.ts";

export type Action =
  | { readonly kind: "config"; readonly spec: object }
  | { readonly kind: "config goes" }
  | {
      readonly kind: "gate";
      readonly state: "enabled" | "disabled" | "not listed";
      readonly version: "ours" | "another";
    }
  | { readonly kind: "drift"; readonly operand: Operand; readonly how: Drift }
  | { readonly kind: "watches"; readonly how: "lose" | "end" | "cut" | "expire" }
  | { readonly kind: "requests"; readonly how: "throttle" | "fail" | "cut" | "hang"; readonly every: number }
  | { readonly kind: "away"; readonly how: "refused" | "silent" }
  | { readonly kind: "process"; readonly how: "kill" | "terminate" | "freeze" };

const drifts = ["delete", "strip", "edit", "foreign"] as const;
export type Drift = (typeof drifts)[number];

const name = fc.constantFrom("a", "b1", "c-d");
const some = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: undefined, freq: 2 });
const onOff = fc.constantFrom("Enabled", "Disabled");

/** Every field of the config, each set or left out; an empty map or set in the place of a full one is refused by the API server as null. */
const spec = fc.record(
  {
    managementState: fc.oneof(
      { weight: 8, arbitrary: fc.constant("Managed") },
      { weight: 1, arbitrary: fc.constantFrom("Unmanaged", "Removed") },
    ),
    featureGate: fc.constantFrom("Required", "Required", "Ignored"),
    runtimeInfo: fc.constantFrom("Enabled", "Enabled", "Enabled", "Disabled"),
    lifecycle: fc.constantFrom("Continuous", "Continuous", "OnDemand"),
    extractor: fc.record(
      {
        readyTimeout: fc.constantFrom("10s", "300s", "1h"),
        containerTimeout: fc.constantFrom("1s", "5s", "1m"),
        securityProfile: fc.constantFrom("Privileged", "LeastPrivilege"),
        nodeSelector: fc.dictionary(name, name, { minKeys: 1, maxKeys: 2, noNullPrototype: true }),
        tolerations: fc.array(fc.record({ key: name, operator: fc.constant("Exists") }), { maxLength: 2 }),
        resources: fc.record({ requests: fc.constantFrom({ cpu: "10m" }, { cpu: "0.01" }, { memory: "65536Ki" }) }),
        priorityClassName: fc.constantFrom("system-node-critical", "low"),
        excludedNamespaces: fc.uniqueArray(name, { minLength: 1, maxLength: 2 }),
      },
      { requiredKeys: [] },
    ),
    gather: fc.record(
      {
        interval: fc.constantFrom("10m", "12h", "720h"),
        podLimit: fc.constantFrom(1, 8000),
        nodeTimeout: fc.constantFrom("1s", "120s"),
        nodeConcurrency: fc.constantFrom(1, 1000),
        ...{ helm: onOff, images: onOff, obfuscation: fc.constant(["Networking"]) },
      },
      { requiredKeys: [] },
    ),
    storage: fc.record({
      emptyDir: fc.record({ sizeLimit: fc.constantFrom("1Gi", "1024Mi", "2G") }),
      retention: fc.record({ archives: fc.constantFrom(1, 5), age: some(fc.constantFrom("1h", "60m")) }),
    }),
    inventory: onOff,
    upload: fc.constant({ endpoint: "https://127.0.0.1:1/upload", tokenSecretRef: { name: "upload-token" } }),
    logLevel: fc.constantFrom("Normal", "Debug", "Trace"),
  },
  { requiredKeys: [] },
);

const operand = fc.constantFrom(...operands);

const drift: fc.Arbitrary<Action> = fc.record({
  kind: fc.constant("drift" as const),
  ...{ operand, how: fc.constantFrom(...drifts) },
});

function actions({ restarts }: { readonly restarts: boolean }): fc.Arbitrary<Action> {
  const kinds: fc.WeightedArbitrary<Action>[] = [
    { weight: 7, arbitrary: spec.map((one) => ({ kind: "config", spec: one })) },
    { weight: 1, arbitrary: fc.constant({ kind: "config goes" }) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant("gate" as const),
        state: fc.constantFrom("enabled", "enabled", "disabled", "not listed"),
        version: fc.constantFrom("ours", "ours", "ours", "another"),
      }),
    },
    { weight: 8, arbitrary: drift },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("watches" as const),
        how: fc.constantFrom("lose", "end", "cut", "expire"),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("requests" as const),
        how: fc.constantFrom("throttle", "fail", "cut", "hang"),
        every: fc.integer({ min: 1, max: 6 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("away" as const), how: fc.constantFrom("refused", "silent") }),
    },
  ];
  const process: fc.Arbitrary<Action> = fc.record({
    kind: fc.constant("process" as const),
    how: fc.constantFrom("kill", "kill", "terminate", "freeze"),
  });
  return fc.oneof(...kinds, ...(restarts ? [{ weight: 3, arbitrary: process }] : []));
}

/** The actions of one stretch of a walk, up to its quiet point. */
export function stretch(seed: number, number: number, options: { readonly restarts: boolean }): readonly Action[] {
  const several = fc.array(actions(options), { minLength: 1, maxLength: 8, size: "max" });
  return fc.sample(several, { seed: seed * 100_003 + number, numRuns: 1 })[0] ?? [];
}
