/** How the two programs of the operator's image answer whoever runs it by hand, under the restrictions of their pods. */

import { Wait } from "testcontainers";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { awaitEnd, PodContainer, removeAll } from "./pod.ts";
import { loadedImages } from "./world.ts";

test.after(removeAll);

test("the images are loaded", async () => {
  assert.ok((await loadedImages()).length > 0);
});

const images = Object.fromEntries(
  ["INSIGHTS_RUNTIME_EXTRACTOR", "INSIGHTS_RUNTIME_EXPORTER", "KUBE_RBAC_PROXY", "INSIGHTS_GATHERER"].map((name) => [
    `RELATED_IMAGE_${name}`,
    "image:1",
  ]),
);

const rows: readonly {
  readonly name: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly exitCode: number;
  readonly says: RegExp;
}[] = [
  { name: "operator --help", args: ["main.js", "--help"], exitCode: 0, says: /^usage: main / },
  { name: "gatherer --help", args: ["gatherer.js", "--help"], exitCode: 0, says: /^usage: gatherer / },
  {
    name: "gatherer once --help",
    args: ["gatherer.js", "once", "--help"],
    exitCode: 0,
    says: /^usage: gatherer once /,
  },
  {
    ...{ name: "operator without its environment: what is missing is named" },
    ...{ args: ["main.js"], exitCode: 2, says: /^the environment does not set POD_NAMESPACE$/m },
  },
  {
    ...{ name: "operator without an image of an operand: it is named", environment: { POD_NAMESPACE: "ns" } },
    ...{
      args: ["main.js"],
      exitCode: 2,
      says: /^the environment does not set RELATED_IMAGE_INSIGHTS_RUNTIME_EXTRACTOR$/m,
    },
  },
  {
    ...{
      name: "operator with a log level that there is not",
      exitCode: 2,
      says: /^--log-level is one of .*, not "loud"/,
    },
    ...{ args: ["main.js"], environment: { POD_NAMESPACE: "ns", ...images, LOG_LEVEL: "loud" } },
  },
  {
    ...{ name: "operator with an option that there is not", args: ["main.js", "--nodes"], exitCode: 2 },
    says: /^Unknown option '--nodes'/,
  },
  {
    ...{ name: "gatherer with a log level that there is not", args: ["gatherer.js"], exitCode: 2 },
    ...{ environment: { LOG_LEVEL: "loud" }, says: /^gatherer: --log-level is one of .*, not "loud"/ },
  },
  {
    ...{ name: "gatherer that is to keep a strange number of archives", args: ["gatherer.js"], exitCode: 2 },
    ...{ environment: { RETAIN_ARCHIVES: "many" }, says: /^gatherer: --retention is a whole number, not "many"/ },
  },
];

for (const { name, args, environment = {}, exitCode, says } of rows) {
  test(`${name}, exit code ${exitCode}`, async () => {
    const operator = (await loadedImages()).find(({ ref }) => ref.includes("operator:"))?.ref ?? "";
    const container = await new PodContainer({ image: operator, command: ["node"], args: [...args] })
      .withEnvironment(environment)
      .withWaitStrategy(Wait.forLogMessage(new RegExp(says, "m")))
      .start();
    const ended = await awaitEnd(container);
    assert.is(ended.exitCode, exitCode, ended.output);
    assert.match(ended.output, says);
  });
}

test.run();
