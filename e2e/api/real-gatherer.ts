/** The real gatherer behind the real kube-rbac-proxy, as their Deployment would run them, with paths and ports of this machine. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { cloneDir } from "../../hack/cache.ts";
import { ensureBinaries } from "../../hack/cluster/binaries.ts";
import { kubectl } from "../../hack/kubectl.ts";
import { freePort } from "../../hack/ports.ts";
import { audiences, names } from "../../src/core/operands.ts";
import type { GathersWorld } from "./gathers-world.ts";
import { namespace } from "./operator-world.ts";

const podSchema = z.object({
  spec: z.object({
    template: z.object({
      spec: z.object({ containers: z.array(z.object({ name: z.string(), args: z.array(z.string()).default([]) })) }),
    }),
  }),
});

export class RealGatherer {
  /** Of the proxy. */
  readonly origin: string;
  /** Where the archives lie. */
  readonly directory: string;
  readonly #world: GathersWorld["world"];
  readonly #spawn: () => ChildProcess;
  readonly #children: ChildProcess[];
  readonly #gathers: GathersWorld;
  #gatherer: ChildProcess;
  #certificate = "";
  #following: NodeJS.Timeout | undefined;

  private constructor(
    gathers: GathersWorld,
    directory: string,
    origin: string,
    proxy: ChildProcess,
    spawnGatherer: () => ChildProcess,
  ) {
    this.#gathers = gathers;
    this.#world = gathers.world;
    this.directory = directory;
    this.origin = origin;
    this.#spawn = spawnGatherer;
    this.#gatherer = spawnGatherer();
    this.#children = [proxy, this.#gatherer];
  }

  /** Once the operator has made its Deployment and certificate; `more` are options of the gatherer, `name` tells several apart. */
  static async start(gathers: GathersWorld, more: readonly string[] = [], name = "gatherer"): Promise<RealGatherer> {
    const { world } = gathers;
    const directory = join(world.server.dir, name);
    await mkdir(directory, { recursive: true });
    const account = await world.accountConfig(names.gatherer);
    const [port, proxyPort, metricsPort] = [await freePort(), await freePort(), await freePort()];
    const healthPort = await freePort();
    const certificate = await mount(gathers, directory);
    const deployment = podSchema.parse(await world.operand({ kind: "Deployment", name: names.gatherer }));
    const shipped = deployment.spec.template.spec.containers.find(({ name }) => name === "kube-rbac-proxy")?.args ?? [];
    const args = shipped.map((arg) =>
      arg
        .replace(":8443", `127.0.0.1:${proxyPort}`)
        .replace(":8080", `:${port}`)
        .replace("/etc/tls/private", join(directory, "tls")),
    );
    const binDir = await ensureBinaries(["kube-rbac-proxy"], () => undefined);
    const proxy = spawn(
      join(binDir, "kube-rbac-proxy"),
      [...args, "--tls-reload-interval=1s", `--kubeconfig=${account}`],
      { stdio: "ignore" },
    );
    const serve = ["serve", "--kubeconfig", account, "--namespace", namespace, "--directory", directory];
    const ports = ["--port", `${port}`, "--metrics-port", `${metricsPort}`, "--health-port", `${healthPort}`];
    const program = join(cloneDir, "src/bin/gatherer.ts");
    const real = new RealGatherer(gathers, directory, `https://127.0.0.1:${proxyPort}`, proxy, () =>
      spawn(process.execPath, [program, ...serve, ...ports, ...more], { stdio: "ignore" }),
    );
    real.#certificate = certificate;
    real.healthPort = healthPort;
    return real;
  }

  /** A token of the operator, as the kubelet would project it. */
  operatorToken(audience: string = audiences.gatherer): Promise<string> {
    const args = ["-n", namespace, "create", "token", "runtime-insights-operator", `--audience=${audience}`];
    return kubectl(this.#world.server, args);
  }

  /** From now on the proxy's certificate follows the Secret, as a volume does; what is deleted stays mounted. */
  follow(): void {
    this.#following = setInterval(() => {
      mount(this.#gathers, this.directory, this.#certificate).then(
        (certificate) => {
          this.#certificate = certificate;
        },
        () => undefined,
      );
    }, 500);
  }

  /** Of its health page. */
  healthPort = 0;

  /** As the kubelet ends it; its proxy stays. The exit code. */
  async terminate(): Promise<number | null> {
    const ended = once(this.#gatherer, "exit");
    this.#gatherer.kill("SIGTERM");
    const [code] = await ended;
    return typeof code === "number" ? code : null;
  }

  kill(): void {
    this.#gatherer.kill("SIGKILL");
  }

  restart(): void {
    this.#gatherer = this.#spawn();
    this.#children.push(this.#gatherer);
  }

  /** The proxy as well. */
  stop(): void {
    clearInterval(this.#following);
    for (const child of this.#children) child.kill("SIGKILL");
  }
}

let mounts = 0;

/** All files at once, by a link that is exchanged, unless they are those of `before`; the certificate. */
async function mount(gathers: GathersWorld, directory: string, before?: string): Promise<string> {
  const { cert, key } = await gathers.servingPair();
  if (cert === before) return cert;
  mounts += 1;
  const data = join(directory, `tls-${mounts}`);
  await mkdir(data);
  await writeFile(join(data, "tls.crt"), cert);
  await writeFile(join(data, "tls.key"), key, { mode: 0o600 });
  await symlink(data, `${data}.link`);
  await rename(`${data}.link`, join(directory, "tls"));
  return cert;
}
