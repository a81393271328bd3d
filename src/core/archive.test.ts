import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodePodPage } from "../api/pod.ts";
import type { RuntimeInfo } from "../api/runtime.ts";
import type { NamespaceInfo, WorkloadInfo } from "../api/workload.ts";
import {
  type ArchiveFacts,
  archiveContent,
  archiveName,
  type HelmFacts,
  helmEntry,
  statusEntry,
  workloadEntry,
  workloadJson,
} from "./archive.ts";
import { obfuscate } from "./hash.ts";
import { type HelmCharts, helmJson } from "./helm.ts";
import { answersOf, merge } from "./merge.ts";
import { apiPod, digest } from "./pods.fixture.ts";
import { firstQueries, readAnswer } from "./query.ts";
import { addPods, emptyDraft } from "./shapes.ts";

const nothing: WorkloadInfo = { pods: 0, imageCount: 0, images: new Map(), namespaces: new Map() };
const namespace: NamespaceInfo = { count: 1, terminalCount: 0, ignoredCount: 0, invalidCount: 0, shapes: [] };
const empty: RuntimeInfo = { os: "", osVersion: "", kind: "", kindVersion: "", kindImplementer: "", runtimes: null };
const container = { imageID: "x", firstCommand: "", firstArg: "" };
const withInfo = (runtimeInfo: RuntimeInfo): WorkloadInfo => ({
  ...nothing,
  namespaces: new Map([
    [
      "",
      {
        ...namespace,
        shapes: [
          { duplicates: 0, restartAlways: true, initContainers: [], containers: [{ ...container, runtimeInfo }] },
        ],
      },
    ],
  ]),
});
const shapeText = (info: string) =>
  `{"pods":0,"imageCount":0,"namespaces":{"47DEQpj8HBSa":{"count":1,"shapes":[{"restartAlways":true,"containers":[{"imageID":"x","runtimeInfo":${info}}]}]}}}`;

const documents: readonly { readonly rule: string; readonly info: WorkloadInfo; readonly text: string }[] = [
  { rule: "no pods: namespaces is null", info: nothing, text: '{"pods":0,"imageCount":0,"namespaces":null}' },
  {
    rule: "counters of zero are left out, shapes never",
    info: { ...nothing, pods: 1, namespaces: new Map([["", { ...namespace, terminalCount: 1 }]]) },
    text: '{"pods":1,"imageCount":0,"namespaces":{"47DEQpj8HBSa":{"count":1,"terminalCount":1,"shapes":[]}}}',
  },
  {
    rule: "all counters, in order",
    info: {
      ...nothing,
      namespaces: new Map([["", { ...namespace, count: 6, terminalCount: 1, ignoredCount: 2, invalidCount: 3 }]]),
    },
    text: '{"pods":0,"imageCount":0,"namespaces":{"47DEQpj8HBSa":{"count":6,"terminalCount":1,"ignoredCount":2,"invalidCount":3,"shapes":[]}}}',
  },
  {
    rule: "an empty list of runtimes leaves an empty object",
    info: withInfo({ ...empty, runtimes: [] }),
    text: shapeText("{}"),
  },
  {
    rule: "runtime info, in order; of a component what is there",
    info: withInfo({
      ...{ os: "a", osVersion: "b", kind: "c", kindVersion: "d", kindImplementer: "e" },
      runtimes: [
        { name: "n", version: "" },
        { name: "", version: "" },
        { name: "m", version: "v" },
      ],
    }),
    text: shapeText(
      '{"os":"a","osVersion":"b","kind":"c","kindVersion":"d","kindImplementer":"e","runtimes":[{"name":"n"},{},{"name":"m","version":"v"}]}',
    ),
  },
  {
    rule: "images sorted by digest, layers always there",
    info: {
      ...nothing,
      imageCount: 3,
      images: new Map([
        ["sha256:b", { layerIDs: ["l2", "l1"], firstCommand: "c", firstArg: "a", repository: "r" }],
        ["sha256:a", { layerIDs: [], firstCommand: "", firstArg: "", repository: "" }],
      ]),
    },
    text: '{"pods":0,"imageCount":3,"images":{"sha256:a":{"layerIDs":[]},"sha256:b":{"layerIDs":["l2","l1"],"firstCommand":"c","firstArg":"a","repository":"r"}},"namespaces":null}',
  },
];
for (const { rule, info, text } of documents) test(rule, () => assert.is(workloadJson(info), text));

test("from a list of pods and a node's answer to the document's bytes", () => {
  const a = digest("a");
  const b = digest("b");
  const page = {
    metadata: { continue: "" },
    items: [
      apiPod({ namespace: "bank", name: "batch", phase: "Succeeded" }),
      apiPod({ namespace: "bank", name: "new", phase: "Running", containers: [{}, {}], statusOrder: [0] }),
      apiPod({
        namespace: "shop",
        name: "web-1",
        initContainers: [{ name: "setup", imageID: `docker-pullable://tools@${b}`, command: ["/bin/sh", "-c"] }],
        containers: [
          { name: "app", command: ["/usr/bin/java", "-jar"], args: ["-c", "start"], id: "cri-o://app" },
          { name: "side", imageID: `side@${b}`, args: ["--config=/etc/side"], id: "cri-o://side" },
        ],
      }),
      apiPod({
        namespace: "shop",
        name: "web-2",
        initContainers: [{ name: "setup", imageID: `tools@${b}`, command: ["sh"] }],
        containers: [
          { name: "app", command: ["java"], args: ["-x"] },
          { name: "side", imageID: `side@${b}`, args: ["--config"], image: "other" },
        ],
      }),
      apiPod({
        namespace: "shop",
        name: "worker",
        restartPolicy: "Never",
        containers: [{ imageID: "", image: "app:v1" }],
      }),
      apiPod({
        namespace: "shop",
        name: "worker-2",
        restartPolicy: "Never",
        containers: [{ imageID: "", image: `app:v1@${a}` }],
      }),
    ],
  };
  const draft = emptyDraft();
  addPods(draft, decodePodPage(page).pods, { podLimit: 8_000, isExcluded: () => false });
  const outcomes = firstQueries(draft).map((query) =>
    readAnswer(
      query,
      {
        shop: {
          "web-1": {
            "cri-o://app": {
              OS: obfuscate("rhel"),
              kind: obfuscate("Java"),
              runtimes: [{ name: obfuscate("Quarkus") }],
            },
            "cri-o://side": { runtimes: [] },
          },
        },
      },
      { detail: true },
    ),
  );
  const written = workloadJson(merge(draft, answersOf(outcomes), { count: 2, found: new Map() }));
  // Hashes from another program, so that a change of the rule shows.
  const [bank, shop, sh, java, config] = [
    "Q4HcKrFChRYM",
    "jZAB0yxqcD2V",
    "icTsn2s_EIax",
    "OKCWOmNksJrY",
    "r7zEsGNvlNrk",
  ];
  const expected = [
    `{"pods":6,"imageCount":2,"namespaces":{`,
    `"${bank}":{"count":2,"terminalCount":1,"ignoredCount":1,"shapes":[]},`,
    `"${shop}":{"count":4,"invalidCount":1,"shapes":[`,
    `{"restartAlways":true,"initContainers":[{"imageID":"${b}","firstCommand":"${sh}"}],"containers":[`,
    `{"imageID":"${a}","firstCommand":"${java}","firstArg":"47DEQpj8HBSa","runtimeInfo":{"os":"yqx1WBefoIAq","kind":"wbpgzhNYZQOi","runtimes":[{"name":"zBVuVhrrC_vC"}]}},`,
    `{"imageID":"${b}","firstArg":"${config}","runtimeInfo":{}}]},`,
    `{"restartAlways":true,"initContainers":[{"imageID":"${b}","firstCommand":"${sh}"}],"containers":[`,
    `{"imageID":"${a}","firstCommand":"${java}","firstArg":"47DEQpj8HBSa"},`,
    `{"imageID":"${b}","firstArg":"47DEQpj8HBSa"}]},`,
    `{"restartAlways":false,"containers":[{"imageID":"${a}"}]}]}}}`,
  ].join("");
  assert.is(written, expected);
});

const facts: ArchiveFacts = {
  ...{ workload: nothing, errors: [], warnings: [], durationMs: 1_234.5, uptimeMs: 12_345.678 },
  ...{ helm: undefined, obfuscate: undefined },
};
const textOf = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

test("without errors the report says null", () => {
  const { entries, dropped } = archiveContent(facts);
  assert.equal(
    entries.map(({ name }) => name),
    [workloadEntry, statusEntry],
  );
  assert.is(dropped, null);
  assert.is(
    textOf(entries[1]?.bytes),
    '{"status_reports":[{"name":"workloads","duration_in_ms":1234,"records_count":1,"errors":null,"warnings":null,"panic":null},' +
      '{"name":"workloads/workload_info","duration_in_ms":1234,"records_count":1,"errors":null,"warnings":null,"panic":null}],' +
      '"container_memory_bytes_usage":0,"uptime_seconds":12.345,"is_global_obfuscation_enabled":false}',
  );
});

test("each error is in the function's report, the summary counts them", () => {
  const { entries } = archiveContent({ ...facts, errors: ["a", "b"] });
  const { status_reports: reports } = JSON.parse(textOf(entries[1]?.bytes));
  const generic = 'function "workload_info" failed with an error';
  assert.equal(
    reports.map(({ errors }: { errors: unknown }) => errors),
    [
      [generic, generic],
      ["a", "b"],
    ],
  );
});

test("a document over the limit is left out and the report says so", () => {
  const { entries, dropped } = archiveContent(facts, 42);
  const sentence =
    "record config/workload_info.json(size=43) exceeds the archive size limit 42 and will not be included in the archive";
  assert.is(dropped, sentence);
  assert.equal(
    entries.map(({ name }) => name),
    [statusEntry],
  );
  const { status_reports: reports } = JSON.parse(textOf(entries[0]?.bytes));
  assert.equal(reports[0].errors, ['unable to record function "workload_info" record "config/workload_info.json"']);
  assert.equal(reports[1].errors, [sentence]);
  assert.equal(reports[1].records_count, 0);
  assert.is(archiveContent(facts, 43).dropped, null);
});

const shopChart = { name: "web", version: "1.2.3.4", resources: new Map([["services", 1] as const]) };
const charts: HelmCharts = new Map([["shop", new Map([["web", shopChart]])]]);
const helm: HelmFacts = { charts, errors: [], durationMs: 2_000.9 };
const reportText = (name: string, rest: string) => `{"name":"${name}",${rest},"panic":null}`;
const endText = (isHidden: boolean) =>
  `"container_memory_bytes_usage":0,"uptime_seconds":12.345,"is_global_obfuscation_enabled":${isHidden}}`;

test("with charts: entries sorted, both functions reported after the summary, which has the longer duration", () => {
  const { entries } = archiveContent({ ...facts, helm, warnings: ["<w>"] });
  assert.equal(
    entries.map(({ name }) => name),
    [helmEntry, workloadEntry, statusEntry],
  );
  assert.is(
    textOf(entries[2]?.bytes),
    `{"status_reports":[${[
      reportText("workloads", '"duration_in_ms":2000,"records_count":2,"errors":null,"warnings":null'),
      reportText("workloads/helmchart_info", '"duration_in_ms":2000,"records_count":1,"errors":null,"warnings":null'),
      reportText(
        "workloads/workload_info",
        '"duration_in_ms":1234,"records_count":1,"errors":null,"warnings":["\\u003cw\\u003e"]',
      ),
    ].join(",")}],${endText(false)}`,
  );
});

test("charts that failed: their errors in their report, a sentence each in the summary before those of the workloads", () => {
  const { entries } = archiveContent({
    ...{ ...facts, errors: ["w"], helm: { charts: new Map(), errors: ["a", "b"], durationMs: 0 } },
  });
  const { status_reports: reports } = JSON.parse(textOf(entries[1]?.bytes));
  const failed = (name: string) => `function "${name}" failed with an error`;
  assert.equal(
    reports.map(({ records_count, errors }: Record<string, unknown>) => [records_count, errors]),
    [
      [1, [failed("helmchart_info"), failed("helmchart_info"), failed("workload_info")]],
      [0, ["a", "b"]],
      [1, ["w"]],
    ],
  );
});

const sizes = { workload: 43, charts: (helmJson(charts) ?? "").length };
const rooms: readonly { readonly rule: string; readonly room: number; readonly kept: readonly string[] }[] = [
  { rule: "room for both", room: sizes.workload + sizes.charts, kept: [helmEntry, workloadEntry] },
  { rule: "room for one: the charts are left out", room: sizes.workload + sizes.charts - 1, kept: [workloadEntry] },
  { rule: "room for the workload info exactly", room: sizes.workload, kept: [workloadEntry] },
  { rule: "room for nothing", room: sizes.workload - 1, kept: [] },
];
for (const { rule, room, kept } of rooms)
  test(`size limit: ${rule}; the report is always there`, () => {
    const { entries } = archiveContent({ ...facts, helm }, room);
    assert.equal(
      entries.map(({ name }) => name),
      [...kept, statusEntry],
    );
    const { status_reports: reports } = JSON.parse(textOf(entries.at(-1)?.bytes));
    const sentence = (name: string, size: number) =>
      `record ${name}(size=${size}) exceeds the archive size limit ${room} and will not be included in the archive`;
    assert.equal(
      reports.slice(1).map(({ errors }: { readonly errors: unknown }) => errors),
      [
        kept.includes(helmEntry) ? null : [sentence(helmEntry, sizes.charts)],
        kept.includes(workloadEntry) ? null : [sentence(workloadEntry, sizes.workload)],
      ],
    );
    assert.is(reports[0].records_count, kept.length);
  });

test("what is to be hidden is hidden in every entry and its name, and the report says so", () => {
  const hide = (text: string) => text.replaceAll("1.2.3.4", "0.0.0.0").replaceAll("secret", "***");
  const { entries } = archiveContent({ ...facts, helm, errors: ["at secret"], obfuscate: hide });
  assert.match(textOf(entries[0]?.bytes), /"version":"0\.0\.0\.0"/);
  const status = textOf(entries[2]?.bytes);
  assert.match(status, /"errors":\["at \*\*\*"\]/);
  assert.ok(status.endsWith(endText(true)));
});

test("an archive is named after its second in UTC", () => {
  assert.is(archiveName(Date.UTC(2026, 0, 2, 3, 4, 5, 999)), "insights-2026-01-02-030405.tar.gz");
});

test.run();
