import { test } from "uvu";
import * as assert from "uvu/assert";
import { cataloguePods, podObject } from "./catalogue-pods.ts";
import type { CatalogueEntry, PodKind } from "./entry.ts";

const entry = (name: string, pod?: PodKind): CatalogueEntry => ({
  name,
  about: "",
  layers: [],
  command: ["/bin/true"],
  expected: { os: "", osVersion: "", kind: "", kindVersion: "", kindImplementer: "", runtimes: [] },
  ...(pod === undefined ? {} : { pod }),
});

test("every entry is in one pod; servers on common ports alone, the others together, both nodes busy", () => {
  const common = Array.from({ length: 40 }, (_, at) => entry(`common-${at}`));
  const entries = [...common, entry("a.1", "alone"), entry("b", "alone"), entry("shared", "shared processes")];
  const pods = cataloguePods(entries, 2);
  const names = pods.flatMap((pod) => pod.entries.map(({ name }) => name));
  assert.equal(names.toSorted(), entries.map(({ name }) => name).toSorted());
  assert.equal(
    pods.map((pod) => [pod.name, pod.node, pod.entries.length]),
    [
      ["common-1", 0, 14],
      ["common-2", 0, 13],
      ["common-3", 1, 13],
      ["shared-processes", 0, 1],
      ["a-1", 0, 1],
      ["b", 1, 1],
    ],
  );
});

test("a pod of containers that share their processes says so, and no other does", () => {
  const specs = cataloguePods(
    [entry("plain"), entry("one", "shared processes"), entry("two", "host processes")],
    1,
  ).map((pod) => JSON.stringify(podObject(pod, "node-1")));
  assert.equal(
    specs.map((spec) => [spec.includes('"shareProcessNamespace":true'), spec.includes('"hostPID":true')]),
    [
      [false, false],
      [true, false],
      [false, true],
    ],
  );
});

test.run();
