/** Which Docker engine there is, and whether it can do what K3s needs; asked, not guessed. */
import { createReadStream, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type ContainerRuntimeClient, getContainerRuntimeClient } from "testcontainers";
import { z } from "zod";
import type { Log } from "../lock.ts";
import { ensureBinaries } from "./binaries.ts";
import { writeProgramImage } from "./program-image.ts";

const withoutIt = "leave --provider k3s out: the local cluster needs no Docker";

/** A client of the engine that DOCKER_HOST names, else of the one at its usual place; throws one sentence when there is none. */
export async function findEngine(): Promise<ContainerRuntimeClient> {
  const wanted = process.env.DOCKER_HOST;
  const nobody = `no Docker engine answers at ${wanted ?? "/var/run/docker.sock"}: start one, or have DOCKER_HOST name one, or ${withoutIt}`;
  const client = await getContainerRuntimeClient().catch((cause: unknown) => {
    throw new Error(nobody, { cause });
  });
  // testcontainers goes on to the usual place when nobody answers where it was told to ask.
  const { socketPath } = z.looseObject({ socketPath: z.string().optional() }).parse(client.container.dockerode.modem);
  if (wanted?.startsWith("unix://") && socketPath !== wanted.slice("unix://".length)) throw new Error(nobody);
  return client;
}

const probeImage = "localhost/runtime-insights-privileged-probe:1";

/** Returns when the engine has run a privileged container, of a program that does nothing; throws one sentence with its words when it has not. Leaves nothing in the engine. */
export async function requirePrivileged(client: ContainerRuntimeClient, log: Log): Promise<void> {
  const { dockerode } = client.container;
  const dir = mkdtempSync(join(tmpdir(), "runtime-insights-probe-"));
  try {
    const archive = join(dir, "probe.tar");
    await writeProgramImage(probeImage, join(await ensureBinaries(["pause"], log), "pause"), archive);
    const said = await text(await dockerode.loadImage(createReadStream(archive)));
    if (!said.includes("Loaded image")) throw new Error(`loading an image into the Docker engine: ${said.trim()}`);
    const container = await dockerode.createContainer({
      Image: probeImage,
      HostConfig: { Privileged: true, NetworkMode: "none" },
    });
    try {
      await container.start();
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new Error(
        `this Docker engine cannot run privileged containers, which K3s is (${why.trim()}): use an engine that can, or ${withoutIt}`,
        { cause },
      );
    } finally {
      await container.remove({ force: true, v: true });
      await dockerode.getImage(probeImage).remove();
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
