/** The program as it is started, as far as it goes without a cluster; e2e has the rest. */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { gatherOutcomeSchema } from "../api/gather.ts";
import { UsageError } from "./arguments.ts";
import { gatherByHand, readArguments, type Settings } from "./once.ts";

const program = new URL("gatherer.ts", import.meta.url).pathname;
const directory = await mkdtemp(join(tmpdir(), "once-test-"));
test.after(() => rm(directory, { recursive: true }));

interface Ended {
  readonly code: number;
  readonly printed: string;
  readonly complaints: string;
}
const started = (args: readonly string[]): Promise<Ended> =>
  new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { cwd: directory }, (error, printed, complaints) =>
      resolve({ code: error === null ? 0 : Number(error.code), printed, complaints }),
    );
  });

const needed = ["--kubeconfig", "k", "--output", "o"];
const usages: readonly { readonly args: readonly string[]; readonly says: RegExp }[] = [
  { args: [], says: /^--kubeconfig is missing/ },
  { args: ["--kubeconfig", "k"], says: /^--output is missing/ },
  { args: ["--kubeconfig", "k", "--output="], says: /^--output is missing/ },
  { args: [...needed, "--json"], says: /Unknown option '--json'/ },
  { args: [...needed, "word"], says: /unexpected argument 'word'/i },
  { args: [...needed, "--namespace", "a/b"], says: /--namespace is the name of a namespace, not "a\/b"/ },
  { args: [...needed, "--only", "A"], says: /--only is the name of a namespace, not "A"/ },
  { args: [...needed, "--exclude", "a".repeat(64)], says: /--exclude is the name of a namespace/ },
  { args: [...needed, "--exporter-selector", "app"], says: /--exporter-selector is LABEL=VALUE, not "app"/ },
  { args: [...needed, "--exporter-selector", "a=b,c=d"], says: /is LABEL=VALUE, not "a=b,c=d"/ },
  { args: [...needed, "--exporter-server-name", "a b"], says: /is the name of a host, not "a b"/ },
  { args: [...needed, "--pod-limit", "many"], says: /--pod-limit is a whole number, not "many"/ },
  { args: [...needed, "--pod-limit", "0"], says: /podLimit/ },
  { args: [...needed, "--format", "xml"], says: /--format is json or table, not "xml"/ },
  { args: [...needed, "--token-file"], says: /argument missing/ },
];
for (const { args, says } of usages)
  test(`bad usage: ${says.source}`, () => {
    assert.throws(
      () => readArguments(args),
      (cause: Error) => cause instanceof UsageError && says.test(cause.message),
    );
  });

test("bad usage of the program: exit code 2, one sentence, nothing on standard output and nothing written", async () => {
  const { code, printed, complaints } = await started(["once", ...needed, "--nonsense"]);
  assert.is(code, 2);
  assert.is(printed, "");
  assert.match(complaints, /^gatherer: .*'--nonsense'.*\n$/);
  assert.is((await started(["twice"])).code, 2);
  assert.equal(await readdir(directory), []);
});

const settingsOf = (args: readonly string[]): Settings => {
  const settings = readArguments(args);
  assert.ok(settings !== "help");
  return settings;
};

test("without options: OpenShift's exporters, all that a service gathers, and no clear text", () => {
  const { order, exporters, format } = settingsOf(needed);
  const { id: _, ...rest } = order;
  assert.equal(rest, {
    ...{ runtimeInfo: true, inventory: false, images: true, helm: true, obfuscateNetworking: false },
    ...{ podLimit: 8_000, nodeTimeoutMs: 120_000, nodeConcurrency: 50 },
    ...{ excludedNamespaces: [], nodeSideProblems: [], holdBeforeWriting: false },
  });
  assert.is(exporters.namespace, "openshift-insights");
  assert.is(exporters.daemonSetName, undefined);
  assert.is(format, "json");
});

test("every option has its place", () => {
  const { order, exporters, caFile, tokenFile, maxAnswerBytes, format } = settingsOf([
    ...[...needed, "--namespace", "runtime-insights", "--exporter-ca", "c", "--token-file", "t", "--format", "table"],
    ...["--exporter-selector", "example.com/team=a_b", "--exporter-server-name", "exporter.here", "--no-images"],
    ...["--no-helm", "--obfuscate-networking", "--only", "a", "--only", "b", "--exclude", "c", "--pod-limit", "7"],
    ...["--node-timeout", "8", "--node-concurrency", "9", "--max-answer-bytes", "10", "--no-runtime-info"],
  ]);
  const { id: _, ...rest } = order;
  assert.equal(rest, {
    ...{ runtimeInfo: false, inventory: true, images: false, helm: false, obfuscateNetworking: true },
    ...{ podLimit: 7, nodeTimeoutMs: 8_000, nodeConcurrency: 9, namespaces: ["a", "b"] },
    ...{ excludedNamespaces: ["c"], nodeSideProblems: [], holdBeforeWriting: false },
  });
  assert.is(exporters.selector, "example.com/team=a_b");
  assert.is(exporters.serverName, "exporter.here");
  assert.is(exporters.serviceAccount, "runtime-insights-gatherer");
  assert.equal(
    { caFile, tokenFile, maxAnswerBytes, format },
    {
      ...{ caFile: "c", tokenFile: "t", maxAnswerBytes: 10, format: "table" },
    },
  );
  assert.is(settingsOf([...needed, "--namespace", "runtime-insights", "--no-inventory"]).order.inventory, false);
});

test("help lists every option, with both known sorts of exporters", async () => {
  const { code, printed } = await started(["once", "--help"]);
  assert.is(code, 0);
  for (const word of ["openshift-insights", "runtime-insights", "service-ca-bundle", "--no-runtime-info", "--format"])
    assert.ok(printed.includes(word), word);
  assert.match((await started(["--help"])).printed, /gatherer once/);
});

const config = (server: string) =>
  JSON.stringify({
    clusters: [{ name: "a", cluster: { server } }],
    users: [{ name: "a", user: {} }],
    contexts: [{ name: "a", context: { cluster: "a", user: "a" } }],
    "current-context": "a",
  });

test("what keeps a gather from beginning is said in an outcome without archive", async () => {
  const closed = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => closed.once("listening", resolve));
  const address = closed.address();
  await new Promise((resolve) => closed.close(resolve));
  const server = typeof address === "object" && address !== null ? `https://127.0.0.1:${address.port}` : "";
  const file = (name: string) => join(directory, name);
  await writeFile(file("good"), config(server));
  await writeFile(file("empty"), "{}");
  const rows = [
    {
      args: ["--kubeconfig", file("missing"), "--output", file("out")],
      reason: "KubeconfigUnreadable",
      says: /ENOENT/,
    },
    { args: ["--kubeconfig", file("empty"), "--output", file("out")], reason: "KubeconfigUnreadable", says: /empty: / },
    { args: ["--kubeconfig", file("good"), "--output", file("good")], reason: "OutputUnwritable", says: /EEXIST/ },
    {
      args: ["--kubeconfig", file("good"), "--output", file("out"), "--token-file", file("none")],
      ...{ reason: "FileUnreadable", says: /reading .*none: ENOENT/ },
    },
    {
      args: ["--kubeconfig", file("good"), "--output", file("out")],
      ...{
        reason: "ApiServerUnreachable",
        says: new RegExp(`asking the API server ${server}: .*ECONNREFUSED`),
      },
    },
  ];
  const { signal } = new AbortController();
  for (const { args, reason, says } of rows) {
    const { outcome, rows: found, files } = await gatherByHand(settingsOf(args), signal);
    assert.equal(
      { reason: outcome.reason, archive: outcome.archive, found, files },
      {
        ...{ reason, archive: null, found: [], files: [] },
      },
    );
    assert.match(outcome.message, says);
  }
  assert.equal(await readdir(file("out")), []);
});

test("of the program that is an object on standard output, a sentence on the other, and exit code 1", async () => {
  const { code, printed, complaints } = await started(["once", "--kubeconfig", "none", "--output", "out"]);
  assert.is(code, 1, complaints);
  const { files: _, rows, ...outcome } = JSON.parse(printed);
  assert.equal(rows, []);
  assert.is(gatherOutcomeSchema.parse(outcome).reason, "KubeconfigUnreadable");
  assert.is(complaints, `gatherer: ${outcome.message}\n`);
});

test("an interrupted gather says so", async () => {
  const good = ["--kubeconfig", join(directory, "good"), "--output", join(directory, "out")];
  const { outcome } = await gatherByHand(settingsOf(good), AbortSignal.abort());
  assert.is(outcome.reason, "Interrupted");
});

test.run();
