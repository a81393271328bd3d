/**
 * The real Operator Lifecycle Manager beside a cluster of hack/cluster: `olm` and `catalog` as programs of a machine of their own, on the
 * control plane's network, and `opm` that serves a catalogue to them. What they leave lies in the cluster's folder, and goes with the cluster.
 */
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { addresses } from "../cluster/addresses.ts";
import { ensureBinaries } from "../cluster/binaries.ts";
import { type Cluster, say } from "../cluster/cluster.ts";
import { background, endTogether, initStart } from "../cluster/init-script.ts";
import { isAlive, type ProcessId, startMachine, stopMachines } from "../cluster/machine.ts";
import { readState } from "../cluster/state.ts";
import { kubectl, waitFor, waitForKinds } from "../kubectl.ts";
import type { Log } from "../lock.ts";
import { applyProxy } from "../openshift/objects.ts";

const run = promisify(execFile);

/** OLM's own namespace: a CatalogSource in it is seen from all others. */
export const olmNamespace = "olm";
const moduleName = "github.com/operator-framework/operator-lifecycle-manager";
const moduleDir = join(import.meta.dirname, "../cluster/tools/olm");
const catalogPort = 50051;
/** What a CatalogSource has to name; the catalog program dials it, on the same machine. */
export const catalogueAddress = `127.0.0.1:${catalogPort}`;

export interface OlmOptions {
  /** Images that the nodes have, of the job that unpacks a bundle named by its image; without them only bundles whole in a catalogue can be installed. */
  readonly unpackImages?: { readonly opm: string; readonly util: string };
  readonly log?: Log;
}

export interface Olm {
  /** Serves the catalogue that is in the folder now, and no other any more, from when it returns. */
  serve(catalogue: string): Promise<void>;
  /** As `waitFor` of hack/kubectl.ts, but fails at once, with its last words, when a program of OLM has ended. */
  waitFor<T>(what: string, ask: () => Promise<T | undefined>, timeoutMs?: number): Promise<T>;
  /** Ends the programs; objects stay as they are. */
  stop(): Promise<void>;
}

/** Applies OLM's kinds and starts its programs, anew where an earlier run left some. */
export async function startOlm(cluster: Cluster, { unpackImages, log = say }: OlmOptions = {}): Promise<Olm> {
  const startedMs = Date.now();
  const binDir = await ensureBinaries(["olm", "catalog", "opm"], log);
  const state = readState(cluster.name);
  if (state?.controlPlane === undefined) throw new Error(`cluster "${cluster.name}" is not up`);
  const place: Place = {
    dir: join(cluster.dir, "olm"),
    binDir,
    kubeconfig: cluster.kubeconfig,
    controlPlane: state.controlPlane,
    address: addresses(state.index).apiServer,
  };
  await stopMachines(place.dir);
  rmSync(place.dir, { recursive: true, force: true });
  await Promise.all([applyKinds(cluster), applyProxy(cluster)]);
  const programs = await startPrograms(place, unpackImages);
  const machines = new Map([[programs.name, programs]]);
  const olm: Olm = {
    serve: async (catalogue) => {
      machines.delete("catalogue");
      await stopMachines(join(place.dir, "catalogue"));
      machines.set("catalogue", await startCatalogue(place, catalogue));
      await olm.waitFor("opm to serve the catalogue", () => accepts(place.address, catalogPort));
    },
    waitFor: (what, ask, timeoutMs) => waitWhileAlive(what, [...machines.values()], ask, timeoutMs),
    stop: async () => {
      await stopMachines(place.dir);
    },
  };
  log(`OLM is up (${((Date.now() - startedMs) / 1000).toFixed(1)} s)`);
  return olm;
}

interface Place {
  readonly dir: string;
  readonly binDir: string;
  readonly kubeconfig: string;
  readonly controlPlane: ProcessId;
  /** Of the control plane, as this machine reaches it. */
  readonly address: string;
}

interface Machine {
  readonly name: string;
  readonly dir: string;
  readonly init: ProcessId;
}

/** The kinds of the pinned version. Client-side apply cannot: the largest does not fit the annotation that it keeps. */
async function applyKinds(cluster: Cluster): Promise<void> {
  const { stdout } = await run("go", ["mod", "download", "-json", moduleName], { cwd: moduleDir });
  const { Dir } = z.object({ Dir: z.string() }).parse(JSON.parse(stdout));
  const crds = join(Dir, "deploy/chart/crds");
  await kubectl(cluster, ["apply", "--server-side", "-f", crds]);
  await waitForKinds(cluster, ["-f", crds]);
  const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: olmNamespace } };
  await kubectl(cluster, ["apply", "-f", "-"], JSON.stringify(namespace));
}

function startPrograms(place: Place, images: OlmOptions["unpackImages"]): Promise<Machine> {
  // Each writes a ClusterOperator unless that name is empty.
  const common = ["--namespace", olmNamespace, "--writeStatusName", ""];
  const jobs = images === undefined ? [] : ["--opmImage", images.opm, "--util-image", images.util];
  return startIn(place, "programs", {
    olm: ["env", `KUBECONFIG=${place.kubeconfig}`, join(place.binDir, "olm"), ...common],
    catalog: [join(place.binDir, "catalog"), "--kubeconfig", place.kubeconfig, ...common, ...jobs],
  });
}

function startCatalogue(place: Place, catalogue: string): Promise<Machine> {
  const files = join(place.dir, "catalogue-files");
  rmSync(files, { recursive: true, force: true });
  cpSync(catalogue, files, { recursive: true });
  return startIn(place, "catalogue", {
    opm: [
      ...[join(place.binDir, "opm"), "serve", files, "--port", String(catalogPort)],
      // Else it takes a port of its own for profiles, and writes below /dev.
      ...["--pprof-addr", "", "--termination-log", join(place.dir, "termination.log")],
    ],
  });
}

/** Programs that live and die together, on the control plane's network. */
async function startIn(
  place: Place,
  name: string,
  programs: Readonly<Record<string, readonly string[]>>,
): Promise<Machine> {
  const dir = join(place.dir, name);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const script = join(dir, "init.sh");
  const enter = ["nsenter", `--net=/proc/${place.controlPlane.pid}/ns/net`, "env", `HOME=${dir}`];
  const starts = Object.entries(programs).map(([program, command]) => background(program, [...enter, ...command], dir));
  writeFileSync(script, [initStart, `cd ${dir}`, ...starts, endTogether, ""].join("\n"));
  return { name, dir, init: await startMachine(script, join(dir, "init.log")) };
}

function accepts(host: string, port: number): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1_000 });
    const end = (answer: true | undefined) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => end(true));
    socket.once("timeout", () => end(undefined));
    socket.once("error", () => end(undefined));
  });
}

async function waitWhileAlive<T>(
  what: string,
  machines: readonly Machine[],
  ask: () => Promise<T | undefined>,
  timeoutMs = 300_000,
): Promise<T> {
  const answer = await waitFor(
    what,
    async () => {
      const dead = machines.find(({ init }) => !isAlive(init));
      if (dead !== undefined) return { dead };
      const value = await ask();
      return value === undefined ? undefined : { value };
    },
    // Each look costs two starts of kubectl, a tenth of a second of a processor each.
    { timeoutMs, everyMs: 1_000 },
  );
  if ("value" in answer) return answer.value;
  throw new Error(`waiting for ${what}: ${lastWords(answer.dead.dir)}`);
}

/** Which program ended, and the end of its log. */
function lastWords(dir: string): string {
  const read = (file: string) => (existsSync(join(dir, file)) ? readFileSync(join(dir, file), "utf8").trim() : "");
  const ended = read("init.log").split("\n").at(-1) ?? "";
  const [program = ""] = ended.split(" ");
  return `${ended || "killed"}; ${join(dir, `${program}.log`)} ends with\n${read(`${program}.log`).split("\n").slice(-5).join("\n")}`;
}
