/** Our images in this run's Docker engine (hack/docker.ts), and an API server that its containers reach. */
import { createReadStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { getContainerRuntimeClient } from "testcontainers";
import { buildImages, type Image } from "../../hack/images/images.ts";
import { namespace, OperatorWorld } from "../api/operator-world.ts";
import { Pod } from "./pod.ts";

/** Of the engine's containers and images. */
export async function docker() {
  return (await getContainerRuntimeClient()).container.dockerode;
}

let loading: Promise<readonly Image[]> | undefined;

/** Builds the images that are not fresh and loads all of them, once for all files of tests. */
export function loadedImages(): Promise<readonly Image[]> {
  loading ??= load();
  return loading;
}

async function load(): Promise<readonly Image[]> {
  const images = await buildImages();
  for (const { ref, archive } of images) {
    const said = await text(await (await docker()).loadImage(createReadStream(archive)));
    if (!said.includes(`Loaded image: ${ref}`)) throw new Error(`loading ${ref}: ${said}`);
  }
  return images;
}

export class ImagesWorld {
  readonly operator: OperatorWorld;

  private constructor(operator: OperatorWorld) {
    this.operator = operator;
  }

  /** With our manifests and kinds, and what a controller manager would put into our namespace. */
  static async start(): Promise<ImagesWorld> {
    const address = process.env.RUNTIME_INSIGHTS_HOST_ADDRESS;
    if (address === undefined) throw new Error("these tests run by npm run test:images, which starts a Docker engine");
    const world = await OperatorWorld.start({ address });
    await world.applyCrds();
    const authority = Buffer.from(world.admin.getCurrentCluster()?.caData ?? "", "base64").toString("utf8");
    await world.create(`/api/v1/namespaces/${namespace}/configmaps`, {
      metadata: { name: "kube-root-ca.crt" },
      data: { "ca.crt": authority },
    });
    return new ImagesWorld(world);
  }

  /** A pod of the Deployment of that name, as it is stored. */
  async pod(deployment: string): Promise<Pod> {
    const dir = join(this.operator.server.dir, "pods");
    await mkdir(dir, { recursive: true });
    const stored = await this.operator.get(`/apis/apps/v1/namespaces/${namespace}/deployments/${deployment}`);
    return Pod.of({ access: this.operator.server, dir }, stored);
  }
}
