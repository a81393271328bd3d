import { test } from "uvu";
import * as assert from "uvu/assert";
import type { OwnContainer, OwnPod } from "../api/own-pod.ts";
import { type CauseInput, causeOf, pullWhys } from "./pod-causes.ts";

const running: OwnContainer = {
  name: "extractor",
  image: "r.example/n:1",
  ready: true,
  waiting: undefined,
  exit: undefined,
};
const container = (changes: Partial<OwnContainer>): OwnContainer => ({ ...running, ready: false, ...changes });
const waiting = (reason: string, message = "") => container({ waiting: { reason, message } });
const crashed = (code: number, reason = "Error") =>
  container({ waiting: { reason: "CrashLoopBackOff", message: "back-off 5m0s" }, exit: { code, reason } });
const pod = (node: string, ...containers: readonly OwnContainer[]): OwnPod => ({
  node,
  unschedulable: undefined,
  containers,
});
const input = (pods: readonly OwnPod[], changes: Partial<CauseInput> = {}): CauseInput => ({
  ...{ side: "node", namespace: "ns", desired: pods.length, pods },
  ...{ refusal: undefined, enforced: undefined, knownWhys: new Map() },
  ...changes,
});
const violates = 'violates PodSecurity "restricted:latest": host namespaces (hostPID=true)';
const backOff = 'Back-off pulling image "r.example/not-found:1"';

const rows: readonly { readonly rule: string; readonly input: CauseInput; readonly expected: string | undefined }[] = [
  { rule: "pods that run have no cause", input: input([pod("a", running)]), expected: undefined },
  { rule: "nor have pods that start", input: input([pod("a", waiting("ContainerCreating"))]), expected: undefined },
  {
    rule: "an image that cannot be pulled is named, with the number of nodes and why",
    input: input([
      pod("a", waiting("ErrImagePull", "code = NotFound desc = failed to pull: not found")),
      pod("b", waiting("ImagePullBackOff", "Back-off pulling image: ErrImagePull: code = NotFound")),
      pod("c", running),
    ]),
    expected: "ImagePullFailed: image r.example/n:1 (not found) cannot be pulled on 2 nodes",
  },
  {
    rule: "two containers of one image on one node are one image and one node",
    input: input([pod("a", waiting("InvalidImageName"), waiting("InvalidImageName"))]),
    expected: "ImagePullFailed: image r.example/n:1 (no valid name of an image) cannot be pulled on 1 node",
  },
  {
    rule: "of many images three are named",
    input: input([
      pod(
        "a",
        ...["d", "c", "b", "a"].map((image) =>
          container({ image, waiting: { reason: "ErrImageNeverPull", message: "" } }),
        ),
      ),
    ]),
    expected:
      "ImagePullFailed: images a (not on the node), b (not on the node), c (not on the node) and 1 more cannot be pulled on 1 node",
  },
  {
    rule: "a kubelet that does not say why while it waits does not unsay it",
    input: input([pod("a", waiting("ImagePullBackOff", backOff))], {
      knownWhys: new Map([["r.example/n:1", "access denied"]]),
    }),
    expected: "ImagePullFailed: image r.example/n:1 (access denied) cannot be pulled on 1 node",
  },
  {
    rule: "the image's own name is no reason",
    input: input([pod("a", waiting("ImagePullBackOff", backOff))]),
    expected: "ImagePullFailed: image r.example/n:1 (its pods say why) cannot be pulled on 1 node",
  },
  {
    rule: "the text of a registry is not repeated, however it is put",
    input: input([pod("a", waiting("ErrImagePull", "unauthorized: \u001b[31mcall +1 555 now\n"))]),
    expected: "ImagePullFailed: image r.example/n:1 (access denied) cannot be pulled on 1 node",
  },
  {
    rule: "an image's name that is hostile is one bounded line",
    input: input([
      pod(
        "a",
        container({ image: `x\n\u202e${"y".repeat(999)}`, waiting: { reason: "InvalidImageName", message: "" } }),
      ),
    ]),
    expected: `ImagePullFailed: image x ${"y".repeat(198)}… (no valid name of an image) cannot be pulled on 1 node`,
  },
  {
    rule: "a container that ends again and again: its exit code, not how often",
    input: input([pod("a", crashed(1)), pod("b", crashed(1)), pod("c", crashed(137, "OOMKilled"))]),
    expected:
      "ContainerFailed: container extractor ends with exit code 1 on 2 nodes, container extractor ends with exit code 137, OOMKilled on 1 node",
  },
  {
    rule: "also while it runs for a moment",
    input: input([pod("a", container({ exit: { code: 2, reason: "Error" } }))]),
    expected: "ContainerFailed: container extractor ends with exit code 2 on 1 node",
  },
  {
    rule: "a container that cannot be made, in the kubelet's words",
    input: input([pod("a", waiting("CreateContainerConfigError", 'secret "x" not found'))]),
    expected: 'ContainerFailed: container extractor cannot be made (secret "x" not found) on 1 node',
  },
  {
    rule: "but not in the runtime's, which differ from try to try",
    input: input([pod("a", waiting("RunContainerError", "container 3f2a: no such file"))]),
    expected: "ContainerFailed: container extractor cannot be made (RunContainerError) on 1 node",
  },
  {
    rule: "a pull that fails comes before a crash",
    input: input([pod("a", crashed(1), waiting("ErrImagePull", "x509: signed by unknown authority"))]),
    expected:
      "ImagePullFailed: image r.example/n:1 (the registry's certificate is not trusted) cannot be pulled on 1 node",
  },
  {
    rule: "pods that no node takes, in the scheduler's words",
    input: input([{ node: "", unschedulable: "0/2 nodes are available: 2 Insufficient memory.", containers: [] }]),
    expected: "PodsUnschedulable: 1 pod cannot be scheduled: 0/2 nodes are available: 2 Insufficient memory.",
  },
  {
    rule: "pods that are refused, without the names that were tried",
    input: input([], {
      desired: 3,
      refusal: `(combined from similar events): Error creating: pods "runtime-insights-extractor-x7k2p" is forbidden: ${violates}`,
    }),
    expected: `PodsRefused: the cluster refuses to make the pods on 3 nodes: ${violates}`,
  },
  {
    rule: "a refusal is bounded",
    input: input([], { side: "gatherer", desired: 1, refusal: "z".repeat(999) }),
    expected: `PodsRefused: the cluster refuses to make the pods of the gatherer: ${"z".repeat(300)}…`,
  },
  {
    rule: "pods that are all there are not refused any more",
    input: input([pod("a", running)], { refusal: violates, enforced: "restricted" }),
    expected: undefined,
  },
  {
    rule: "a new gatherer that is refused while the one of before serves",
    input: input([pod("a", running)], { side: "gatherer", refusal: violates }),
    expected: `PodsRefused: the cluster refuses to make the pods of the gatherer: ${violates}`,
  },
  {
    rule: "a namespace that enforces a standard, before anybody has said more",
    input: input([pod("a", running)], { desired: 2, enforced: "baseline" }),
    expected: "PodsRefused: no pods are made on 1 node: namespace ns enforces Pod Security standard baseline",
  },
  {
    rule: "which is no reason for the gatherer, whose pods meet it",
    input: input([], { side: "gatherer", desired: 1, enforced: "restricted" }),
    expected: undefined,
  },
  {
    rule: "nor is a standard that allows everything",
    input: input([], { desired: 1, enforced: "privileged" }),
    expected: undefined,
  },
];
for (const { rule, input: given, expected } of rows)
  test(`cause: ${rule}`, () => {
    const cause = causeOf(given);
    assert.is(cause === undefined ? undefined : `${cause.reason}: ${cause.message}`, expected);
  });

const advice: readonly (readonly [refusal: string, toDo: RegExp])[] = [
  [violates, /^kubectl label namespace ns pod-security\.kubernetes\.io\/enforce=privileged --overwrite$/],
  ["unable to validate against any security context constraint: []", /^kubectl get scc runtime-insights-extractor/],
  ["exceeded quota: small, requested: pods=1", /^raise the quota of namespace ns$/],
  ["failed quota: small: must specify limits.cpu for: exporter", /LimitRange with defaults/],
  ['admission webhook "validate.kyverno.svc" denied the request: no', /^let the policy that is named allow/],
  ["something new", /^kubectl -n ns describe daemonset runtime-insights-extractor$/],
];
for (const [refusal, toDo] of advice)
  test(`what to do when pods are refused: ${refusal.slice(0, 20)}`, () =>
    assert.match(causeOf(input([], { desired: 1, refusal }))?.toDo ?? "", toDo));

/** As containerd and CRI-O put them. */
const texts: readonly (readonly [why: string | undefined, message: string])[] = [
  [
    "not found",
    'rpc error: code = NotFound desc = failed to resolve reference "registry.example/a/b:1": registry.example/a/b:1: not found',
  ],
  ["not found", "reading manifest 9 in registry.example/a/b: manifest unknown"],
  [
    "access denied",
    "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope",
  ],
  ["access denied", 'failed to authorize: unexpected status from GET request to "https://r/token": 401 Unauthorized'],
  ["access denied", "unable to retrieve auth token: invalid username/password: unauthorized: not logged in"],
  ["the registry's name is not known", 'Head "https://r/v2/": dial tcp: lookup r on 10.0.0.1:53: no such host'],
  [
    "the registry's name is not known",
    "dial tcp: lookup r on 10.0.0.1:53: read udp 10.0.0.2:48043->10.0.0.1:53: i/o timeout",
  ],
  ["the registry does not answer", "dial tcp 10.0.0.1:5000: connect: connection refused"],
  ["the registry does not answer", "dial tcp 10.0.0.1:443: i/o timeout"],
  [
    "the registry's certificate is not trusted",
    "tls: failed to verify certificate: x509: certificate signed by unknown authority",
  ],
  ["the registry's certificate is not trusted", "http: server gave HTTP response to HTTPS client"],
  [
    "the registry lets nobody pull that often",
    "429 Too Many Requests - toomanyrequests: You have reached your pull rate limit",
  ],
  ["not built for the node's architecture", "no match for platform in manifest: not found"],
  ["no space left on the node", "write /var/lib/containerd/x: no space left on device"],
  [undefined, "something else"],
];
for (const [why, message] of texts)
  test(`why an image is not pulled: ${message.slice(0, 40)}`, () =>
    assert.is(pullWhys(input([pod("a", waiting("ErrImagePull", message))])).get("r.example/n:1"), why));

test.run();
