/**
 * Writes docs/samples.md from the table of samples; with --check it only says whether that file is stale.
 * With --catalogue it makes the catalogue, which fetches what is not in the build cache, and writes its table anew; otherwise that
 * stays as it is, and the node tests say when it is stale.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadCatalogue } from "../e2e/samples/catalogue.ts";
import { catalogueTable, marked, tableIn } from "../e2e/samples/catalogue-doc.ts";
import { type Expected, samplesWith } from "../e2e/samples/samples.ts";
import { cloneDir } from "./cache.ts";

/** Versions depend on what the registries hold when the samples are built, so the document says where they come from. */
const samples = samplesWith({
  os: "debian",
  osVersion: "(base-files)",
  node: "(this clone's Node)",
  otherNode: "v22",
  java: "(JDK release file)",
  javaImplementer: "(JDK release file)",
  python: "(Debian's CPython)",
  go: "(Go on this machine)",
});

const answer = ({ os, osVersion, kind, kindVersion, kindImplementer }: Expected): string => {
  const system = os === "" ? "no operating system" : `${os} ${osVersion}`;
  const runtime = kind === "" ? "no runtime" : `${kind} ${kindVersion}`;
  return `${system}; ${runtime}${kindImplementer === "" ? "" : `, implementer ${kindImplementer}`}`;
};

const rows = samples.flatMap(({ namespace, name, about, containers }) =>
  containers.map(
    (container) =>
      `| ${namespace}/${name} ${container.name} | ${about} | \`${container.image}\`${container.uid === undefined ? "" : `, uid ${container.uid}`} | ${answer(container.expected)} |`,
  ),
);

const { values } = parseArgs({
  options: { check: { type: "boolean", default: false }, catalogue: { type: "boolean", default: false } },
});
const file = join(cloneDir, "docs/samples.md");
const catalogue = values.catalogue ? catalogueTable(await loadCatalogue()) : tableIn(readFileSync(file, "utf8"));

const document = `<!-- Written by hack/samples-doc.ts from e2e/samples/samples.ts; change that and run npm run lint -- --fix. -->
# Samples

Pods with real runtimes that the demo shows and the node tests ask for: Node from its npm packages, a JRE, CPython and busybox from Debian
packages, programs built by the Go of this machine. Images are built without Docker; each runtime is one layer, shared by all samples that have it.
Exact versions are read from the very files that the images are made of.

| container | what is special | image | must be found |
|---|---|---|---|
${rows.join("\n")}

Fixtures of ours, not real: the os-release text of \`node-rhel\` (the libraries below it are Debian's), and the two decoys, which leave
\`/tmp/ran-again\` behind when anyone starts them a second time.

## Catalogue

More real containers, for the node tests alone (\`e2e/samples/catalogue.ts\`, \`e2e/node/catalogue.test.ts\`): builds from npm, PyPI, Maven Central, the Go
modules and Debian, and programs that this machine's compilers make from a few lines. They run as few pods of many containers on the two nodes of the
tests. Packages of npm and PyPI are those for amd64. Where a program, a package's own description or the package's name tells the version, it is read there when
the catalogue is made. The table is written by \`sh hack/run.sh hack/samples-doc.ts --catalogue\`.

${marked(catalogue)}
`;

if (!values.check) writeFileSync(file, document);
else if (readFileSync(file, "utf8") !== document) {
  console.error("docs/samples.md is stale: sh hack/run.sh hack/samples-doc.ts");
  process.exitCode = 1;
}
