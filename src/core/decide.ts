/** Config and gate -> what each side should be, with the reason. */
import type { Config } from "../api/config.ts";
import type { Gate } from "../api/gate.ts";

export type DecisionReason =
  | "GateEnabled"
  | "GateIgnored"
  | "GateDisabled"
  | "GateNotListed"
  | "GateApiMissing"
  | "GateUnknown"
  | "RuntimeInfoDisabled"
  | "Managed"
  | "Unmanaged"
  | "Removed"
  | "ConfigInvalid"
  | "ConfigAbsent";

/** `wait` touches nothing: what is there stays as it is. */
export interface Decision {
  readonly kind: "install" | "remove" | "wait";
  readonly reason: DecisionReason;
  readonly message: string;
}

/** What the node side should be. An unknown gate keeps what is there: it can be unknown during an upgrade. */
export function decideNodeSide(config: Config, gate: Gate): Decision {
  const common = decideForBoth(config);
  if (common !== undefined) return common;
  if (config.kind !== "valid") return wait("ConfigAbsent", "There is no config");
  const { settings } = config;
  if (settings.runtimeInfo === "Disabled")
    return remove("RuntimeInfoDisabled", "spec.runtimeInfo is Disabled: workloads are gathered without their runtimes");
  if (settings.featureGate === "Ignored")
    return install("GateIgnored", "spec.featureGate is Ignored: the feature gate is not asked");
  switch (gate.state) {
    case "enabled":
      return install("GateEnabled", `Feature gate InsightsRuntimeExtractor is enabled for version ${gate.version}`);
    case "disabled":
      return remove("GateDisabled", `Feature gate InsightsRuntimeExtractor is disabled for version ${gate.version}`);
    case "not listed":
      return remove(
        "GateNotListed",
        `Version ${gate.version} does not list feature gate InsightsRuntimeExtractor; set spec.featureGate to Ignored to go on without it`,
      );
    case "no API":
      return remove(
        "GateApiMissing",
        "This cluster has no FeatureGate API; set spec.featureGate to Ignored to go on without it",
      );
    case "unknown":
      return wait("GateUnknown", `The feature gate is not known: ${gate.why}; nothing is changed on the nodes`);
    default:
      return unreachable(gate);
  }
}

/** What the gatherer side should be; the gate does not matter to it. */
export function decideGathererSide(config: Config): Decision {
  return decideForBoth(config) ?? install("Managed", "The config is managed");
}

/** True while gathers are run. */
export function isManaged(config: Config): boolean {
  return decideGathererSide(config).kind === "install";
}

/** The garbage collector takes the operands of a deleted config away. */
function decideForBoth(config: Config): Decision | undefined {
  switch (config.kind) {
    case "absent":
      return wait("ConfigAbsent", "There is no config");
    case "invalid":
      return wait("ConfigInvalid", `The config cannot be used: ${config.problem}; nothing is changed`);
    case "valid":
      switch (config.settings.managementState) {
        case "Managed":
          return undefined;
        case "Unmanaged":
          return wait("Unmanaged", "spec.managementState is Unmanaged: nothing is changed");
        case "Removed":
          return remove("Removed", "spec.managementState is Removed: all operands are taken away");
        default:
          return unreachable(config.settings.managementState);
      }
    default:
      return unreachable(config);
  }
}

const install = (reason: DecisionReason, message: string): Decision => ({ kind: "install", reason, message });
const remove = (reason: DecisionReason, message: string): Decision => ({ kind: "remove", reason, message });
const wait = (reason: DecisionReason, message: string): Decision => ({ kind: "wait", reason, message });

function unreachable(value: never): never {
  throw new Error(`a case was forgotten: ${JSON.stringify(value)}`);
}
