import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { complaintKind, digestAt, takenTags } from "./registry.ts";

const head =
  "2026/11/21 20:00:00 HEAD request failed, falling back on GET: HEAD https://registry.example/v2/team/node/manifests/1: unexpected status code 404 Not Found (HEAD responses have no body, use GET for details)\n";
const get = "Error: GET https://registry.example/v2/team/node/manifests/1: ";
for (const [rule, said, kind] of [
  ["no such tag", `${head}${get}MANIFEST_UNKNOWN: manifest unknown; map[Tag:1]`, "absent"],
  ["no such repository", `${head}${get}NAME_UNKNOWN: repository name not known to registry`, "absent"],
  ["no such project", `${head}${get}NOT_FOUND: repository team/node not found`, "absent"],
  ["404 in no words of a registry", `${head}${get}unexpected status code 404 Not Found: gone`, "absent"],
  ["401, whatever HEAD got", `${head}${get}UNAUTHORIZED: authentication required`, "refused"],
  ["403", `${get}DENIED: requested access to the resource is denied`, "refused"],
  ["401 in no words of a registry", `${get}unexpected status code 401 Unauthorized: `, "refused"],
  ["403 in no words of a registry", `${get}unexpected status code 403 Forbidden: `, "refused"],
  ["403 beside an unknown name", `${get}multiple errors returned: DENIED: no; NAME_UNKNOWN: no`, "refused"],
  ["a config file that may not be read", "Error: open /home/team/.docker/config.json: permission denied", "failed"],
  ["a repository called denied", "Error: GET https://registry.example/v2/denied/manifests/1: EOF", "failed"],
  ["nobody listens", 'Error: Get "https://registry.example/v2/": dial tcp: connection refused', "failed"],
  ["nothing", "", "failed"],
] as const)
  test(`complaint: ${rule}`, () => assert.is(complaintKind(said), kind));

const there = `sha256:${"a".repeat(64)}`;

/** How a registry answers; it is asked for a token first, as those of forges are. */
interface Manners {
  /** Status of an answer to who asks for a token, by login, to read or to read and push. */
  readonly token: (login: string, may: "pull" | "push,pull") => number;
  /** Status and error code of an answer to who asks for the image with that token. */
  readonly image: (may: string) => readonly [status: number, code?: string];
}

async function startRegistry({ token, image }: Manners): Promise<Server> {
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://localhost");
    const [kind = "", credential = ""] = (request.headers.authorization ?? "").split(" ");
    const refuse = (status: number, code: string) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ errors: [{ code }] }));
    if (pathname === "/token") {
      const may = searchParams.get("scope")?.endsWith(":push,pull") === true ? "push,pull" : "pull";
      const status = token(Buffer.from(credential, "base64").toString("utf8"), may);
      if (status !== 200) refuse(status, status === 401 ? "UNAUTHORIZED" : "DENIED");
      else response.end(JSON.stringify({ token: may }));
    } else if (kind !== "Bearer") {
      response.setHeader("www-authenticate", `Bearer realm="http://${request.headers.host}/token",service="here"`);
      refuse(401, "UNAUTHORIZED");
    } else {
      const [status, code] = image(credential);
      if (code !== undefined) refuse(status, code);
      else {
        const type = "application/vnd.oci.image.manifest.v1+json";
        response.writeHead(status, { "content-type": type, "content-length": 2, "docker-content-digest": there });
        response.end(request.method === "HEAD" ? undefined : "{}");
      }
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

/** What `use` does with such a registry, for which there is a login. */
async function withRegistry(manners: Manners, use: (prefix: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "registry-test-"));
  const server = await startRegistry(manners);
  const before = process.env.DOCKER_CONFIG;
  try {
    const { port } = z.object({ port: z.number() }).parse(server.address());
    const auth = Buffer.from("team:secret").toString("base64");
    writeFileSync(join(dir, "config.json"), JSON.stringify({ auths: { [`127.0.0.1:${port}`]: { auth } } }));
    process.env.DOCKER_CONFIG = dir;
    await use(`127.0.0.1:${port}/team`);
  } finally {
    if (before === undefined) delete process.env.DOCKER_CONFIG;
    else process.env.DOCKER_CONFIG = before;
    server.close();
    rmSync(dir, { recursive: true });
  }
}

const right = (login: string) => (login === "team:secret" ? 200 : 401);
const advice = /What is there is read before anything is pushed: the login has to be for both$/;

for (const [rule, manners, expected] of [
  ["an image", { token: right, image: () => [200] }, there],
  ["no such tag", { token: right, image: () => [404, "MANIFEST_UNKNOWN"] }, undefined],
  [
    "a repository that does not exist yet, for which nobody gets a token to read: absent, as who may push is told",
    { token: (_, may) => (may === "pull" ? 403 : 200), image: () => [404, "NAME_UNKNOWN"] },
    undefined,
  ],
  [
    "a repository that does not exist yet, whose token to read is worth nothing: absent, as who may push is told",
    {
      token: right,
      image: (may) => (may === "pull" ? [401, "UNAUTHORIZED"] : [404, "NAME_UNKNOWN"]),
    },
    undefined,
  ],
  [
    "an image that only who may push can see",
    { token: right, image: (may) => (may === "pull" ? [401, "UNAUTHORIZED"] : [200]) },
    there,
  ],
  ["a wrong login: not known", { token: () => 401, image: () => [200] }, advice],
  ["a login that may push and not read: not known", { token: right, image: () => [403, "DENIED"] }, advice],
  ["a login that may do nothing here: not known", { token: () => 403, image: () => [200] }, advice],
  ["a registry out of order", { token: right, image: () => [418, "TEAPOT"] }, /^asking the registry for .*: .*TEAPOT/],
] satisfies readonly (readonly [string, Manners, string | RegExp | undefined])[])
  test(`asked for a digest: ${rule}`, () =>
    withRegistry(manners, async (prefix) => {
      const asked = digestAt(`${prefix}/node:1`, () => undefined);
      if (expected instanceof RegExp) {
        const said = await asked.then(String, (cause: Error) => cause.message);
        assert.match(said, expected);
      } else assert.is(await asked, expected);
    }));

test("a tag is taken when another image has it", () =>
  withRegistry({ token: right, image: () => [200] }, async (prefix) => {
    const other = `sha256:${"b".repeat(64)}`;
    const images = [there, other].map((digest, at) => ({ ref: `${prefix}/node:${at}`, digest }));
    assert.equal(await takenTags(images, () => undefined), [{ ...images[1], there }]);
  }));

test.run();
