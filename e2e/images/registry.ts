/** A real registry (CNCF Distribution) on loopback: open, or with a login and TLS. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ensureBinaries } from "../../hack/cluster/binaries.ts";
import { waitFor } from "../../hack/kubectl.ts";
import { freePort } from "../../hack/ports.ts";
import { makeAuthority } from "../../src/adapters/https.fixture.ts";

export const login = { user: "team", password: "correct horse" };
/** Of that login, by bcrypt, which is the only kind that the registry reads. */
const passwordFile = "team:$2b$04$Mi9FGIoZoHp2XvMU905DjeiqM2TzQIyjvjBzeGU3ve6ZBX5VM2aFW\n";

export interface Registry {
  /** As it stands in names of images. */
  readonly host: string;
  /** The file with the authority of its certificate; only where it has one. */
  readonly authority: string;
  /** All that it has answered since the last call, as `POST /v2/...`; nobody may send any meanwhile. */
  requests(): Promise<readonly string[]>;
  stop(): Promise<void>;
}

/** Up when this returns; with `login` it wants one and speaks TLS with a certificate of an authority of its own. */
export async function startRegistry(kind: "open" | "login"): Promise<Registry> {
  const bin = await ensureBinaries(["registry"], (line) => console.error(`  ${line}`));
  const dir = mkdtempSync(join(tmpdir(), "runtime-insights-registry-"));
  const port = await freePort();
  const file = (name: string, content: string) => {
    writeFileSync(join(dir, name), content);
    return join(dir, name);
  };
  const tls = async () => {
    const ca = await makeAuthority();
    const { cert, key } = await ca.certificate("localhost");
    file("ca.crt", ca.ca);
    return { tls: { certificate: file("tls.crt", cert), key: file("tls.key", key) } };
  };
  const config = {
    version: "0.1",
    log: { accesslog: { disabled: false }, level: "warn" },
    storage: { filesystem: { rootdirectory: join(dir, "data") } },
    http: { addr: `127.0.0.1:${port}`, ...(kind === "login" ? await tls() : {}) },
    ...(kind === "login" ? { auth: { htpasswd: { realm: "test", path: file("htpasswd", passwordFile) } } } : {}),
  };
  const child = spawn(join(bin, "registry"), ["serve", file("config.yml", JSON.stringify(config))], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, OTEL_TRACES_EXPORTER: "none" },
  });
  let log = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      log += chunk.toString("utf8");
    });
  const closed = new Promise((resolve) => child.once("close", resolve));
  const stop = async () => {
    child.kill();
    await closed;
    rmSync(dir, { recursive: true });
  };
  let seen = 0;
  const requests = async () => {
    for (let length = -1; length !== log.length; ) {
      length = log.length;
      await sleep(300);
    }
    const all = [...log.matchAll(/"([A-Z]+ \/v2\/\S*) HTTP/g)].map(([, request = ""]) => request);
    const fresh = all.slice(seen);
    seen = all.length;
    return fresh;
  };
  try {
    await waitFor("the registry", () => listens(port), { timeoutMs: 60_000, everyMs: 50 });
  } catch (cause) {
    await stop();
    throw new Error(`the registry did not start: ${log}`, { cause });
  }
  return { host: `localhost:${port}`, authority: join(dir, "ca.crt"), requests, stop };
}

/** What a docker config file holds after a login. */
export function writeLogin(dir: string, host: string, password: string): void {
  const auth = Buffer.from(`${login.user}:${password}`).toString("base64");
  writeFileSync(join(dir, "config.json"), JSON.stringify({ auths: { [host]: { auth } } }));
}

const listens = (port: number): Promise<true | undefined> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(undefined));
  });
