import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Settings, specSchema } from "../api/config.ts";
import type { KubeObject } from "../api/object.ts";
import { authority, both, inputOf, serving } from "./desired.fixture.ts";
import { desiredGathererSide, desiredNodeSide } from "./desired.ts";
import { hashAnnotation, keyOf, operands } from "./operands.ts";

const settings = (spec: object): Settings => specSchema.parse(spec);
const find = (objects: readonly KubeObject[], key: string) =>
  objects.find((object) => keyOf({ kind: object.kind, name: object.metadata.name }) === key);
const text = (objects: readonly KubeObject[], key: string) => JSON.stringify(find(objects, key));

test("the same input gives the same bytes, and every object that the table of operands names", () => {
  assert.is(JSON.stringify(both(inputOf())), JSON.stringify(both(inputOf())));
  assert.equal(
    both(inputOf()).map((object) => keyOf({ kind: object.kind, name: object.metadata.name })),
    operands.map(keyOf),
  );
});

test("without the SCC API there is no SCC", () => {
  assert.is(
    find(
      both(inputOf({ unserved: new Set(["SecurityContextConstraints"]) })),
      "SecurityContextConstraints/runtime-insights-extractor",
    ),
    undefined,
  );
});

test("a changed field changes the hash of its object only, a changed key in a Secret no hash", () => {
  const hashes = (objects: readonly KubeObject[]) =>
    objects.map(({ metadata }) => metadata.annotations?.[hashAnnotation]);
  const before = hashes(both(inputOf()));
  const images = { extractor: "e:2", exporter: "x:1", proxy: "p:1", gatherer: "g:1" };
  const after = hashes(both(inputOf({ images })));
  assert.equal(operands.filter((_, index) => before[index] !== after[index]).map(keyOf), [
    "DaemonSet/runtime-insights-extractor",
  ]);
  const afresh = hashes(both(inputOf({ accountUids: { node: "uid-2", gatherer: "uid-4" } })));
  assert.equal(operands.filter((_, index) => before[index] !== afresh[index]).map(keyOf), [
    "Deployment/runtime-insights-gatherer",
  ]);
  const other = [
    ...desiredGathererSide(inputOf(), authority, serving),
    ...desiredNodeSide(inputOf(), { certificate: "C", key: "K" }),
  ];
  assert.equal(hashes(other), before);
});

const pods: readonly {
  readonly rule: string;
  readonly spec: object;
  readonly key: string;
  readonly has: RegExp;
  readonly not?: RegExp;
}[] = [
  {
    rule: "only Linux nodes, also when a node selector says otherwise",
    spec: { extractor: { nodeSelector: { "kubernetes.io/os": "windows", a: "b" } } },
    key: "DaemonSet/runtime-insights-extractor",
    has: /"nodeSelector":\{"kubernetes.io\/os":"linux","a":"b"\}/,
  },
  {
    rule: "tolerations are taken over",
    spec: { extractor: { tolerations: [{ operator: "Exists" }] } },
    key: "DaemonSet/runtime-insights-extractor",
    has: /"tolerations":\[\{"operator":"Exists"\}\]/,
  },
  {
    rule: "resources are the extractor's",
    spec: { extractor: { resources: { requests: { memory: "64Mi" }, limits: { cpu: 1 } } } },
    key: "DaemonSet/runtime-insights-extractor",
    has: /"command":\["\/extractor_server"\],"resources":\{"requests":\{"cpu":"10m","memory":"64Mi"\},"limits":\{"cpu":"1"\}\}/,
  },
  {
    rule: "the time for one container is the extractor's",
    spec: { extractor: { containerTimeout: "1m" } },
    key: "DaemonSet/runtime-insights-extractor",
    has: /"command":\["\/extractor_server"\],"args":\["--container-timeout=60s"\]/,
  },
  {
    rule: "the priority class is taken over",
    spec: { extractor: { priorityClassName: "high" } },
    key: "DaemonSet/runtime-insights-extractor",
    has: /"priorityClassName":"high"/,
  },
  {
    rule: "the volume of the archives is limited",
    spec: { storage: { emptyDir: { sizeLimit: "2Gi" } } },
    key: "Deployment/runtime-insights-gatherer",
    has: /"emptyDir":\{"sizeLimit":"2Gi"\}/,
  },
  {
    rule: "the log level and the kept archives reach the gatherer",
    spec: { logLevel: "Debug", storage: { retention: { archives: 7 } } },
    key: "Deployment/runtime-insights-gatherer",
    has: /"LOG_LEVEL","value":"debug"\},\{"name":"RETAIN_ARCHIVES","value":"7"\}\]/,
  },
  {
    rule: "an age limit of the archives reaches the gatherer in seconds",
    spec: { storage: { retention: { age: "720h" } } },
    key: "Deployment/runtime-insights-gatherer",
    has: /"RETAIN_ARCHIVES","value":"5"\},\{"name":"RETAIN_SECONDS","value":"2592000"\}/,
  },
];
for (const { rule, spec, key, has } of pods)
  test(rule, () => assert.match(text(both(inputOf({ settings: settings(spec) })), key) ?? "", has));

test("only the extractor is privileged, only the proxies hold a token for the API server on the nodes", () => {
  const daemonSet = find(both(inputOf()), "DaemonSet/runtime-insights-extractor");
  const said = JSON.stringify(daemonSet);
  assert.is(said.split('"privileged":true').length, 2);
  assert.match(said, /"name":"extractor"[^}]*/);
  assert.match(said, /"automountServiceAccountToken":false/);
  assert.is(said.split('"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"').length, 3);
  assert.not.match(said, /crio|containerd|docker/);
});

test("with the least privilege no container is privileged, and the SCC lets in no other", () => {
  const objects = both(inputOf({ settings: settings({ extractor: { securityProfile: "LeastPrivilege" } }) }));
  const daemonSet = text(objects, "DaemonSet/runtime-insights-extractor") ?? "";
  const capabilities = '["DAC_READ_SEARCH","KILL","SETGID","SETPCAP","SETUID","SYS_ADMIN","SYS_CHROOT","SYS_PTRACE"]';
  assert.not.match(daemonSet, /"privileged":true/);
  assert.is(daemonSet.split('"add":').length, 2);
  assert.ok(daemonSet.includes(`"capabilities":{"drop":["ALL"],"add":${capabilities}}`));
  assert.is(daemonSet.split('"seccompProfile":{"type":"RuntimeDefault"}').length, 5);
  const scc = text(objects, "SecurityContextConstraints/runtime-insights-extractor") ?? "";
  assert.ok(scc.includes('"allowPrivilegedContainer":false') && scc.includes(`"allowedCapabilities":${capabilities}`));
});

test("only the gatherer's account may ask the exporters without review", () => {
  assert.match(
    text(both(inputOf()), "ConfigMap/runtime-insights-exporter-proxy") ?? "",
    /path: \/gather_runtime_info\\n {6}resourceRequest: false\\n {6}user:\\n {8}name: system:serviceaccount:ns:runtime-insights-gatherer\\n/,
  );
});

test("the CA's key is in its own Secret only, which no pod mounts", () => {
  const holders = both(inputOf()).filter((object) => JSON.stringify(object).includes(btoa("CAKEY")));
  assert.equal(
    holders.map(({ metadata }) => metadata.name),
    ["runtime-insights-ca"],
  );
  for (const object of both(inputOf())) assert.not.match(JSON.stringify(object), /"secretName":"runtime-insights-ca"/);
});

test("both proxies obey the cluster's TLS profile", () => {
  for (const key of ["DaemonSet/runtime-insights-extractor", "Deployment/runtime-insights-gatherer"])
    assert.match(text(both(inputOf()), key) ?? "", /"--tls-min-version=VersionTLS13","--tls-cipher-suites=A,B"/);
});

test("both proxies demand their audience", () => {
  assert.match(
    text(both(inputOf()), "DaemonSet/runtime-insights-extractor") ?? "",
    /--auth-token-audiences=runtime-insights-exporter"/,
  );
  assert.match(
    text(both(inputOf()), "Deployment/runtime-insights-gatherer") ?? "",
    /--auth-token-audiences=runtime-insights-gatherer"/,
  );
});

test.run();
