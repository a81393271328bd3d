import { test } from "uvu";
import * as assert from "uvu/assert";
import type { GatherRequest, RequestStatus } from "../api/request.ts";
import {
  type DeploymentInput,
  deploymentOf,
  goingOf,
  isOutOfPatience,
  type NodeSideView,
  nodeSideView,
  overdue,
  type UndeploymentInput,
  undeployMs,
  undeploymentOf,
  wantedBy,
} from "./on-demand.ts";
import { keyOf, workloads } from "./operands.ts";
import type { Live } from "./plan.ts";
import { makeRequest } from "./requests.fixture.ts";
import type { Phase } from "./requests.ts";
import { timeText } from "./time.ts";

const minuteMs = 60_000;
const nowMs = Date.UTC(2026, 0, 2);
const ago = (ms: number) => timeText(nowMs - ms);
const on = (phase: Phase, nodeSide?: RequestStatus["nodeSide"]): GatherRequest => {
  const request = makeRequest({ phase });
  return { ...request, status: { ...request.status, ...(nodeSide === undefined ? {} : { nodeSide }) } };
};

const wants: readonly (readonly [rule: string, request: GatherRequest, wanted: string | undefined])[] = [
  ["one that waits", on("Pending"), undefined],
  ["one that deploys", on("Deploying", { deployTime: ago(0) }), "uid-a"],
  ["one that asks the nodes", on("Running", { deployTime: ago(0) }), "uid-a"],
  ["one that began in lifecycle Continuous", on("Running"), "uid-a"],
  ["one that has asked them", on("Running", { undeployTime: ago(0) }), undefined],
  ["one that ended", on("Succeeded", { deployTime: ago(0) }), undefined],
  ["one without runtimes", { ...on("Running"), spec: { trigger: "Requested", runtimeInfo: "Disabled" } }, undefined],
];
for (const [rule, request, wanted] of wants)
  test(`extractors for ${rule}: ${wanted === undefined ? "no" : "yes"}`, () =>
    assert.is(wantedBy([makeRequest({ name: "other" }), request]), wanted));

const key = keyOf(workloads.node.workload);
const ours = [{ manager: "runtime-insights-operator", operation: "Apply" }];
const daemonSet = (metadata: object): Live => ({
  kind: "present",
  object: { apiVersion: "apps/v1", kind: "DaemonSet", metadata: { name: "x", managedFields: ours, ...metadata } },
});
const pods = { desired: 2, ready: 2, current: true };

test("the view: what is there, for whom, and pods only while somebody wants them", () => {
  const see = (live: Live, requests = [on("Deploying")]) => {
    const { daemonSet: state, ...rest } = nodeSideView(requests, new Map([[key, live]]), { pods, problem: "p" });
    return [state, rest.wantedBy, rest.pods !== undefined, rest.isForeign, rest.problem];
  };
  assert.equal(see({ kind: "absent" }), ["absent", "uid-a", true, false, "p"]);
  assert.equal(see(daemonSet({})), ["present", "uid-a", true, false, "p"]);
  assert.equal(see(daemonSet({}), []), ["present", undefined, false, false, "p"]);
  assert.equal(see(daemonSet({ deletionTimestamp: ago(0) })), ["going", "uid-a", true, false, "p"]);
  assert.equal(see(daemonSet({ managedFields: [] })), ["absent", "uid-a", true, true, "p"]);
});

const since = { uid: "u", sinceMs: nowMs - undeployMs };
const foreground = { uid: "u", deletionTimestamp: ago(0), finalizers: ["foregroundDeletion"] };
const ends: readonly (readonly [rule: string, metadata: object, going: number | undefined])[] = [
  ["one that stays", { uid: "u" }, undefined],
  ["one that has been going for a while, whatever the API server's clock says", foreground, since.sinceMs],
  ["one that only has to be told again", { ...foreground, finalizers: [] }, since.sinceMs],
  ["another one of its name", { ...foreground, uid: "v" }, nowMs],
  ["one that somebody's finalizer holds", { ...foreground, finalizers: ["a/b"] }, undefined],
  ["somebody else's", { ...foreground, managedFields: [] }, undefined],
];
for (const [rule, metadata, going] of ends)
  test(`going away: ${rule}`, () =>
    assert.is(goingOf(new Map([[key, daemonSet(metadata)]]), since, nowMs)?.sinceMs, going));

test("overdue after two minutes", () => {
  assert.equal([...overdue(since, nowMs)], [key]);
  assert.equal([...overdue(since, nowMs - 1)], []);
  assert.equal([...overdue(undefined, nowMs)], []);
});

const view = (changes: Partial<NodeSideView> = {}): NodeSideView => ({
  ...{ wantedBy: "uid-a", daemonSet: "present", pods, isForeign: false, problem: undefined },
  ...changes,
});
const deploying = (agoMs: number) => on("Deploying", { deployTime: ago(agoMs) });
const early = { kind: "wait" };
const order = (nodes: boolean, problem?: string) => ({ kind: "order", nodes, problem });
const deployments: readonly (readonly [rule: string, input: Partial<DeploymentInput>, expected: object])[] = [
  ["all are ready", {}, order(true)],
  ["some are not", { view: view({ pods: { ...pods, ready: 1 } }) }, early],
  ["the DaemonSet's controller has not looked at it", { view: view({ pods: { ...pods, current: false } }) }, early],
  ["there is none yet", { view: view({ daemonSet: "absent", pods: undefined }) }, early],
  ["the one before is still going", { view: view({ daemonSet: "going", pods: undefined }) }, early],
  ["what was seen is older than the gather", { view: view({ wantedBy: undefined, isForeign: true }) }, early],
  ["it cannot be applied, which may pass", { view: view({ daemonSet: "absent", problem: "403" }) }, early],
  [
    "somebody else's DaemonSet has its name",
    { view: view({ daemonSet: "absent", isForeign: true, problem: "Not made\nby us" }) },
    order(false, "the extractors could not be deployed: Not made by us"),
  ],
  [
    "no node takes one",
    { view: view({ pods: { desired: 0, ready: 0, current: true } }) },
    order(false, "the extractors could not be deployed: no Linux node matches spec.extractor"),
  ],
  ["nobody wants them any more", { nodes: false }, order(false)],
  [
    "in time, some are ready",
    { request: deploying(5 * minuteMs), view: view({ pods: { ...pods, ready: 1 } }) },
    order(true, "1 of 2 extractors were ready after 5m"),
  ],
  [
    "in time, no controller has looked",
    { request: deploying(5 * minuteMs), view: view({ pods: { desired: 0, ready: 0, current: false } }) },
    order(true, "no extractor was ready after 5m"),
  ],
  [
    "in time, it could not be applied",
    { request: deploying(90_000), readyTimeoutMs: 90_000, view: view({ daemonSet: "absent", problem: "403" }) },
    order(false, "the extractors could not be deployed: 403"),
  ],
  [
    "in time, nothing is there and nobody knows why",
    { request: deploying(90_000), readyTimeoutMs: 90_000, view: view({ daemonSet: "absent" }) },
    order(false, "the extractors could not be deployed: DaemonSet/runtime-insights-extractor is not there after 90s"),
  ],
  [
    "in time, the one before is not gone",
    { request: deploying(5 * minuteMs), view: view({ daemonSet: "going" }) },
    order(false, "the extractors could not be deployed: the one before is not gone after 5m"),
  ],
];
for (const [rule, changes, expected] of deployments)
  test(`deploying: ${rule}`, () => {
    const input = { request: deploying(minuteMs), nodes: true, view: view(), readyTimeoutMs: 5 * minuteMs, nowMs };
    assert.equal(deploymentOf({ ...input, ...changes }), expected);
  });

test("a sentence for the archive is never longer than an order may carry", () => {
  const problem = "x".repeat(3_000);
  const input = { request: deploying(minuteMs), nodes: true, readyTimeoutMs: 5 * minuteMs, nowMs };
  const deployment = deploymentOf({ ...input, view: view({ daemonSet: "absent", isForeign: true, problem }) });
  assert.is(deployment.kind === "order" ? deployment.problem?.length : 0, 1_024);
});

test("extractors wait for a gatherer that does not take the order, not for ever", () => {
  assert.is(isOutOfPatience(deploying(14 * minuteMs), 5 * minuteMs, nowMs), false);
  assert.is(isOutOfPatience(deploying(15 * minuteMs), 5 * minuteMs, nowMs), true);
});

const asked = (agoMs: number) => on("Running", { deployTime: ago(9 * minuteMs), undeployTime: ago(agoMs) });
const gone = view({ wantedBy: undefined, daemonSet: "absent", pods: undefined });
const release = (leftover?: string) => ({ kind: "release", leftover });
const undeployments: readonly (readonly [rule: string, input: Partial<UndeploymentInput>, expected: object])[] = [
  ["the nodes were asked just now", { request: on("Running", { deployTime: ago(0) }) }, { kind: "begin" }],
  ["they are gone", {}, release()],
  ["they are there", { view: view({ wantedBy: undefined }) }, { kind: "wait" }],
  ["some pods are left", { view: view({ wantedBy: undefined, daemonSet: "going" }) }, { kind: "wait" }],
  ["what was seen is older than the end of asking", { view: view({ daemonSet: "absent" }) }, { kind: "wait" }],
  [
    "in time, some pods are left",
    { request: asked(undeployMs), view: view({ wantedBy: undefined, daemonSet: "going" }) },
    release("the extractors were not gone 2m after the nodes were asked: some of their pods are left"),
  ],
  [
    "in time, it could not be deleted",
    { request: asked(undeployMs), view: view({ wantedBy: undefined, problem: "403" }) },
    release("the extractors were not gone 2m after the nodes were asked: 403"),
  ],
  ["gone after all", { request: asked(9 * minuteMs) }, release()],
  ["they are to stay by now", { isOnDemand: false, view: view() }, release()],
  [
    "nothing may be changed any more",
    { kept: "spec.managementState is Unmanaged", isOnDemand: false, view: undefined },
    release("the extractors were left where they are: spec.managementState is Unmanaged"),
  ],
];
for (const [rule, changes, expected] of undeployments)
  test(`undeploying: ${rule}`, () => {
    const input = { request: asked(minuteMs), kept: undefined, isOnDemand: true, view: gone, nowMs };
    assert.equal(undeploymentOf({ ...input, ...changes }), expected);
  });

test.run();
