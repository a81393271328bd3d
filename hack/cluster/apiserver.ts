/** etcd and an API server alone, on loopback unless told otherwise, for tests that need no node: up in seconds, gone with `stop`. */
import { type ChildProcess, spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Access, kubectl, waitFor } from "../kubectl.ts";
import { applyOpenshift } from "../openshift/objects.ts";
import { freePorts } from "../ports.ts";
import { keepCalls } from "./audit.ts";
import { apiBinaries, ensureBinaries } from "./binaries.ts";
import {
  type ApiServerPlace,
  apiServerCommand,
  controllerCommand,
  etcdCommand,
  kubeconfig,
  readAuthority,
  writeSecrets,
} from "./control-plane.ts";

export interface ApiServer extends Access {
  readonly address: string;
  readonly port: number;
  /** Where kube config and logs lie; removed by `stop`. */
  readonly dir: string;
  /** Kills the API server as a crash would, and starts it again on the same data after that time. */
  crash(downMs: number): Promise<void>;
  /** Starts the controller-manager anew, which then knows all kinds at once instead of within half a minute. Needs `controllers`. */
  restartControllers(): Promise<void>;
  stop(): Promise<void>;
}

export interface ApiServerOptions {
  /** OpenShift's CRDs, a FeatureGate without status and a ClusterVersion; default false. */
  readonly openshift?: boolean;
  /**
   * Also run the controller-manager, whose garbage collector follows owner references; `cleaning` runs of its controllers only those
   * that take things away, so that nobody else writes. Default false.
   */
  readonly controllers?: boolean | "cleaning";
  /** Of this machine: where the API server listens and what its certificate is for; default 127.0.0.1. */
  readonly address?: string;
}

/** Starts both on free ports and waits until the API server is ready; its kube config is an administrator's. A port that was taken meanwhile costs a second try. */
export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  return tryStart(options).catch((cause: unknown) => {
    if (!(cause instanceof EarlyEnd)) throw cause;
    console.error(`  ${cause.message}; once more on other ports`);
    return tryStart(options);
  });
}

/** One of the programs has ended before the API server was ready. */
class EarlyEnd extends Error {}

/** Rejects when the program ends, with the end of its log. */
const endOf = (dir: string, name: string, child: ChildProcess): Promise<never> =>
  new Promise((_, reject) => {
    child.once("exit", (code, signal) => {
      const log = readFileSync(join(dir, `${name}.log`), "utf8").trimEnd();
      reject(new EarlyEnd(`${name} has ended (${signal ?? code}): ${log.split("\n").slice(-5).join("\n")}`));
    });
  });

async function tryStart({
  openshift = false,
  controllers = false,
  address = "127.0.0.1",
}: ApiServerOptions): Promise<ApiServer> {
  const names = controllers !== false ? [...apiBinaries, "kube-controller-manager"] : apiBinaries;
  const binDir = await ensureBinaries(names, (line) => console.error(`  ${line}`));
  removeAbandoned();
  const dir = mkdtempSync(join(tmpdir(), `${folderPrefix}${process.pid}-`));
  const [port = 0, etcdPort = 0, etcdPeerPort = 0] = await freePorts(3);
  const place: ApiServerPlace = {
    dir,
    binDir,
    secrets: writeSecrets(dir),
    address,
    port,
    etcdPort,
    etcdPeerPort,
    services: "10.96.255.0/24",
    publishEndpoint: false,
  };
  const startServer = () => start(dir, "kube-apiserver", apiServerCommand(place));
  const etcd = start(dir, "etcd", etcdCommand(place));
  let server = startServer();
  const early = Promise.race([endOf(dir, "etcd", etcd), endOf(dir, "kube-apiserver", server)]);
  // It ends with every test.
  early.catch(() => undefined);
  let manager: ChildProcess | undefined;
  const stop = async () => {
    await Promise.all([etcd, server, ...(manager === undefined ? [] : [manager])].map(end));
    keepCalls(dir);
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    const access: Access = { kubectl: join(binDir, "kubectl"), kubeconfig: join(dir, "kubeconfig") };
    const authority = await Promise.race([
      waitFor("the API server's certificate", async () => readAuthority(dir), { everyMs: 100 }),
      early,
    ]);
    writeFileSync(access.kubeconfig, kubeconfig(`https://${address}:${port}`, place.secrets.token, authority), {
      mode: 0o600,
    });
    const ready = () =>
      waitFor(
        "the API server to be ready",
        async () => {
          await kubectl(access, ["get", "--raw=/readyz"]);
          return true;
        },
        { everyMs: 200 },
      );
    await Promise.race([ready(), early]);
    const crash = async (downMs: number) => {
      await end(server);
      await sleep(downMs);
      server = startServer();
      await ready();
    };
    const some = controllers === "cleaning" ? ["--controllers=garbage-collector-controller,namespace-controller"] : [];
    const startManager = () =>
      start(dir, "kube-controller-manager", [
        ...controllerCommand(place, access.kubeconfig),
        ...["--secure-port=0", ...some],
      ]);
    if (controllers !== false) manager = startManager();
    const restartControllers = async () => {
      if (manager === undefined) throw new Error("this API server was started without controllers");
      await end(manager);
      manager = startManager();
    };
    if (openshift) await applyOpenshift(access);
    return { ...access, address, port, dir, crash, restartControllers, stop };
  } catch (cause) {
    await stop();
    throw cause;
  }
}

const folderPrefix = "runtime-insights-api-";

/** Folders of runs that were killed; their servers ended with them. */
function removeAbandoned(): void {
  for (const folder of readdirSync(tmpdir()).filter((name) => name.startsWith(folderPrefix))) {
    const [pid] = folder.slice(folderPrefix.length).split("-");
    try {
      if (!existsSync(`/proc/${pid}`)) rmSync(join(tmpdir(), folder), { recursive: true, force: true });
    } catch {
      // Another user's.
    }
  }
}

/** Ends with this process at the latest, also when this one is killed. */
function start(dir: string, name: string, command: readonly string[]): ChildProcess {
  const log = openSync(join(dir, `${name}.log`), "a");
  const child = spawn("setpriv", ["--pdeathsig", "KILL", ...command], { stdio: ["ignore", log, log] });
  closeSync(log);
  return child;
}

function end(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else {
      child.once("exit", () => resolve());
      child.kill("SIGKILL");
    }
  });
}
