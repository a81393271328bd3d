/** Reads archives and the inventory from the gatherer the way a permitted user does: a short token and a port-forward. */
import { Agent, request } from "undici";
import { type ArchiveInfo, archiveInfoSchema, type Inventory, inventorySchema } from "../src/api/gather.ts";
import { type Access, kubectl, portForward } from "./kubectl.ts";

const service = "runtime-insights-gatherer";

export interface Reader {
  archives(): Promise<readonly ArchiveInfo[]>;
  archive(name: string): Promise<Buffer>;
  inventory(): Promise<Inventory>;
  close(): Promise<void>;
}

/** Opens a port-forward to the gatherer and asks with a ten-minute token of the reader's service account. */
export async function openReader(access: Access, namespace = "runtime-insights"): Promise<Reader> {
  const [token, ca] = await Promise.all([
    kubectl(access, [
      "-n",
      namespace,
      "create",
      "token",
      "runtime-insights-reader",
      `--audience=${service}`,
      "--duration=10m",
    ]),
    kubectl(access, [
      "-n",
      namespace,
      "get",
      "configmap",
      "runtime-insights-ca-bundle",
      "-o",
      "jsonpath={.data.ca\\.crt}",
    ]),
  ]);
  const forward = await portForward(access, { namespace, target: `service/${service}`, port: 8443 });
  const dispatcher = new Agent({ connect: { ca, servername: `${service}.${namespace}.svc` } });
  const get = async (path: string): Promise<Buffer> => {
    const answer = await request(`https://127.0.0.1:${forward.port}${path}`, {
      dispatcher,
      headers: { authorization: `Bearer ${token.trim()}` },
      signal: AbortSignal.timeout(30_000),
    });
    const body = Buffer.from(await answer.body.arrayBuffer());
    if (answer.statusCode !== 200)
      throw new Error(`reading ${path}: status ${answer.statusCode}: ${body.toString("utf8", 0, 500)}`);
    return body;
  };
  const getJson = async (path: string): Promise<unknown> => JSON.parse((await get(path)).toString("utf8"));
  return {
    archives: async () =>
      archiveInfoSchema
        .loose()
        .array()
        .parse(await getJson("/v1/archives")),
    archive: (name) => get(`/v1/archives/${name}`),
    inventory: async () => inventorySchema.parse(await getJson("/v1/inventory")),
    close: async () => {
      forward.close();
      await dispatcher.destroy();
    },
  };
}
