/** A catalogue of real runtimes in containers: each is told for what it is, with evidence, twice the same. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { cloneDir } from "../../hack/cache.ts";
import { buildImages } from "../../hack/images/images.ts";
import { kubectl, waitFor } from "../../hack/kubectl.ts";
import { table } from "../../hack/table.ts";
import { buildCatalogueImages, type CatalogueEntry, loadCatalogue } from "../samples/catalogue.ts";
import { catalogueTable, tableIn } from "../samples/catalogue-doc.ts";
import { cataloguePods, containerName, catalogueNamespace as namespace, podObject } from "../samples/catalogue-pods.ts";
import { type Answers, askAll, type Container, containersOf, entryOf, installLook, said, words } from "./look.ts";
import { testCluster } from "./world.ts";

const cluster = await testCluster();
const look = "look-at-catalogue";
const ask = (): Promise<Answers> => askAll(cluster, look, "?hash=false&detail=true");

/** What could not be made is a test that fails, and costs the other files nothing. */
const { entries, problem } = await loadCatalogue().then(
  (all) => ({ entries: chosen(all), problem: undefined }),
  (cause: Error) => ({ entries: [], problem: cause }),
);

/** All, or those that CATALOGUE names, for whoever works on a few of them. */
function chosen(all: readonly CatalogueEntry[]): readonly CatalogueEntry[] {
  const wanted = process.env.CATALOGUE?.split(",");
  return wanted === undefined ? all : all.filter(({ name }) => wanted.includes(name));
}

const detailSchema = z.object({
  processes: z.array(
    z.object({
      role: z.string(),
      kind: z.string().default(""),
      version: z.string().default(""),
      evidence: z.string().default(""),
      versionEvidence: z.string().default(""),
      runtimes: z
        .array(z.object({ name: z.string(), version: z.string().default(""), evidence: z.string().default("") }))
        .default([]),
    }),
  ),
  notes: z.array(z.object({ about: z.string(), reason: z.string(), message: z.string() })),
});
type Detail = z.infer<typeof detailSchema>;

interface World {
  /** By the entry's name. */
  readonly containers: ReadonlyMap<string, Container>;
  readonly answers: Answers;
}
let world: World = { containers: new Map(), answers: new Map() };

async function prepare(): Promise<World> {
  for (const { archive } of await buildImages({ only: ["node"] })) await cluster.importImage(archive);
  const nodes = cluster.nodes.map(({ name }) => name);
  const pods = cataloguePods(entries, nodes.length);
  for (const [at, node] of nodes.entries()) {
    const there = pods.filter((pod) => pod.node === at).flatMap((pod) => pod.entries);
    const [image] = await buildCatalogueImages(`catalogue-${at + 1}`, there);
    if (image !== undefined) await cluster.importImage(image.archive, [node]);
  }
  const apply = (items: readonly object[]) =>
    kubectl(cluster, ["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));
  await apply([{ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } }]);
  // A pod is refused until the namespace's default service account is there.
  await waitFor("the catalogue to be accepted", async () => {
    await apply(pods.map((pod) => podObject(pod, nodes[pod.node] ?? "")));
    return true;
  });
  await installLook(cluster, look);
  await kubectl(cluster, ["-n", namespace, "wait", "pod", "--all", "--for=condition=Ready", "--timeout=300s"]).catch(
    (cause: Error) => console.log(`${cause.message}; the table below says which`),
  );
  return settled();
}

/** A server needs a while until it has loaded itself: asks again until all is as expected or time is up, then takes what there is. */
async function settled(): Promise<World> {
  let latest: World = { containers: new Map(), answers: new Map() };
  await waitFor(
    "all of the catalogue to be recognised",
    async () => {
      const found = await containersOf(cluster, ["-n", namespace]);
      const containers = new Map(
        entries.flatMap((entry) => {
          const container = found.find(({ name, pod }) => name === containerName(entry) && pod !== "");
          return container === undefined ? [] : [[entry.name, container] as const];
        }),
      );
      latest = { containers, answers: await ask() };
      return entries.every((entry) => entry.pending !== undefined || isRight(entry, latest)) ? true : undefined;
    },
    { timeoutMs: 300_000, everyMs: 5_000 },
  ).catch((cause: Error) => console.log(`${cause.message}; the tests below say which`));
  return latest;
}

const containerOf = ({ name }: CatalogueEntry, { containers }: World = world): Container => {
  const found = containers.get(name);
  if (found === undefined) throw new Error(`container ${name} is not on the cluster`);
  return found;
};

function detailOf(entry: CatalogueEntry, at: World): Detail {
  const schema = z.object({ detail: detailSchema });
  return schema.parse(entryOf(at.answers, containerOf(entry, at))).detail;
}

const component = ({ name, version }: { readonly name: string; readonly version: string }): string =>
  `${name} ${version}`.trim();

/** What the detailed answer says runs on the main process. */
const mainRuntimes = (entry: CatalogueEntry, at: World): readonly string[] =>
  detailOf(entry, at)
    .processes.filter(({ role }) => role === "main")
    .flatMap(({ runtimes }) => runtimes.map(component));

function isRight(entry: CatalogueEntry, at: World): boolean {
  const container = at.containers.get(entry.name);
  if (container === undefined || !isDeepStrictEqual(said(at.answers, container), entry.expected)) return false;
  const wanted = [...entry.expected.runtimes, ...(entry.detail ?? [])];
  if (wanted.length === 0) return true;
  const listed = mainRuntimes(entry, at);
  return wanted.every((one) => listed.includes(one));
}

test.after(async () => {
  if (process.env.CATALOGUE_KEEP !== undefined) return;
  await kubectl(cluster, ["delete", "namespace", namespace, look, "--ignore-not-found"]);
});

// A test, since uvu does not say why a hook failed.
test("the catalogue and the node side come up", async () => {
  if (problem !== undefined) throw problem;
  world = await prepare();
  const rows = entries.map((entry) => {
    const container = world.containers.get(entry.name);
    const found = container === undefined ? undefined : said(world.answers, container);
    const mark = isRight(entry, world) ? "yes" : entry.pending === undefined ? "NO" : "pending";
    const restarts = (container?.restarts ?? 0) > 0 ? `, ${container?.restarts} restarts` : "";
    return [
      entry.name,
      words(entry.expected).filter(Boolean).join("; "),
      found === undefined ? "not in the answer" : words(found).filter(Boolean).join("; "),
      `${mark}${restarts}`,
    ];
  });
  console.log(`\n${table(["NAME", "EXPECTED", "FOUND", "OK"], rows)}`);
});

test("the catalogue runs on every node", () => {
  const nodes = new Set([...world.containers.values()].map(({ node }) => node));
  assert.equal([...nodes].sort(), cluster.nodes.map(({ name }) => name).sort());
});

for (const entry of entries) {
  test(`${entry.name}: ${entry.about}`, () => {
    if (entry.pending !== undefined) {
      assert.not(isRight(entry, world), `is right and must no longer be marked as pending (${entry.pending})`);
      return;
    }
    assert.equal(said(world.answers, containerOf(entry)), entry.expected);
    const listed = mainRuntimes(entry, world);
    const missing = [...entry.expected.runtimes, ...(entry.detail ?? [])].filter((one) => !listed.includes(one));
    assert.equal(missing, [], `the detailed answer lists ${listed.join(", ")}`);
  });
}

test("docs/samples.md has the catalogue: sh hack/run.sh hack/samples-doc.ts --catalogue", () => {
  assert.is(tableIn(readFileSync(join(cloneDir, "docs/samples.md"), "utf8")), catalogueTable(entries));
});

test("every value has evidence, and a version or a note that says why not", () => {
  const lacks = entries.flatMap((entry) => {
    const { processes, notes } = detailOf(entry, world);
    const isNoted = (about: RegExp) => notes.some((note) => about.test(note.about) && note.message !== "");
    return processes.flatMap((process) => {
      const lack = (what: string) => `${entry.name}: ${process.role} ${process.kind} ${what}`;
      if (process.kind === "") return [];
      return [
        ...(process.evidence === "" ? [lack("has no evidence")] : []),
        ...(process.version !== "" && process.versionEvidence === "" ? [lack("has a version without evidence")] : []),
        ...(process.version === "" && !isNoted(/^kindVersion$/) ? [lack("has neither version nor note")] : []),
        ...process.runtimes
          .filter(({ evidence }) => evidence === "")
          .map(({ name }) => lack(`${name} has no evidence`)),
        ...process.runtimes
          .filter(({ version }) => version === "" && !isNoted(/^runtimes$/))
          .map(({ name }) => lack(`${name} has neither version nor note`)),
      ];
    });
  });
  assert.equal(lacks, []);
});

/** The extractor had no time left for it, as on a machine that stalls for seconds. */
function isCut(entry: CatalogueEntry, answers: Answers): boolean {
  const { data } = z.object({ detail: detailSchema }).safeParse(entryOf(answers, containerOf(entry)));
  return (
    data === undefined ||
    data.detail.processes.length === 0 ||
    data.detail.notes.some(({ reason }) => reason === "budget")
  );
}

test("asked twice, every container gets the same answer, details included", async () => {
  let different: readonly CatalogueEntry[] = [];
  for (let times = 0; times < 3; times += 1) {
    const [one, other] = [await ask(), await ask()];
    different = entries.filter((entry) => {
      const container = containerOf(entry);
      return !isDeepStrictEqual(entryOf(one, container), entryOf(other, container));
    });
    if (different.length === 0 || different.some((entry) => !isCut(entry, one) && !isCut(entry, other))) break;
  }
  assert.equal(
    different.map(({ name }) => name),
    [],
  );
});

test("nothing of the catalogue was disturbed: no container has restarted", async () => {
  const restarted = (await containersOf(cluster, ["-n", namespace])).filter(({ restarts }) => restarts > 0);
  assert.equal(
    restarted.map(({ name }) => name),
    [],
  );
});

test.run();
