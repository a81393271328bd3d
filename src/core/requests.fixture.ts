/** RuntimeGathers for tests: valid, with what the test says. */
import type { GatherRequest } from "../api/request.ts";
import type { Phase } from "./requests.ts";

export interface RequestChanges {
  readonly name?: string;
  readonly createdMs?: number;
  readonly trigger?: "Scheduled" | "Requested";
  readonly namespaces?: string[];
  readonly phase?: Phase;
  readonly specProblem?: string;
  readonly status?: GatherRequest["status"];
}

export function makeRequest(changes: RequestChanges = {}): GatherRequest {
  const { name = "a", createdMs = 0, trigger = "Requested", namespaces, phase, specProblem, status = {} } = changes;
  const time = "2026-01-01T00:00:00Z";
  const conditions =
    phase === undefined
      ? []
      : [{ type: "Progressing", status: "False" as const, reason: phase, message: "", lastTransitionTime: time }];
  return {
    ...{ name, uid: `uid-${name}`, resourceVersion: "1", createdMs },
    spec: { trigger, runtimeInfo: "Enabled", ...(namespaces === undefined ? {} : { namespaces }) },
    ...(specProblem === undefined ? {} : { specProblem }),
    status: { conditions, ...status },
  };
}
