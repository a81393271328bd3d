/** `npm run images -- --push` against a real registry, and what comes back from there. */
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { cloneDir } from "../../hack/cache.ts";
import { ensureBinaries } from "../../hack/cluster/binaries.ts";
import { buildImages } from "../../hack/images/images.ts";
import { type Registry, startRegistry, writeLogin } from "./registry.ts";

const dir = mkdtempSync(join(tmpdir(), "runtime-insights-push-test-"));
let open: Registry;
let closed: Registry;
let crane = "";

test.after(async () => {
  await open?.stop();
  await closed?.stop();
  rmSync(dir, { recursive: true });
});

interface Said {
  readonly code: number;
  readonly out: string;
  readonly progress: string;
}

/** Runs the command for one small image as a person would who has no other login than the one given. */
const images = (args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Said> =>
  run(["--only", "kube-rbac-proxy", ...args], environment);

function run(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Said> {
  const config = join(dir, "no-login");
  mkdirSync(config, { recursive: true });
  const env = { ...process.env, DOCKER_CONFIG: config, REGISTRY_AUTH_FILE: "", ...environment };
  return new Promise((resolve) => {
    const command = [join(cloneDir, "hack/images/cli.ts"), ...args];
    execFile(process.execPath, command, { env, timeout: 240_000 }, (error, out, progress) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, progress }),
    );
  });
}

/** Every file of a layout by its path. */
const filesBelow = (root: string): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => [file.slice(root.length + 1), readFileSync(file, "hex")]),
  );

test("two registries run, one of them with a login and a certificate of an authority of its own", async () => {
  crane = join(await ensureBinaries(["crane"], (line) => console.error(`  ${line}`)), "crane");
  [open, closed] = await Promise.all([startRegistry("open"), startRegistry("login")]);
});

test("pushed: printed with the digest that the build has, and what comes back is byte for byte what was built", async () => {
  const prefix = `${open.host}/team`;
  const [built] = await buildImages({ only: ["kube-rbac-proxy"], registry: "localhost", log: () => {} });
  const said = await images(["--push", prefix]);
  assert.is(said.code, 0, said.progress);
  assert.is(said.out, `${prefix}/${built?.ref.replace("localhost/", "")}@${built?.digest}\n`);
  assert.match(said.progress, /[0-9a-f]{12} sent\n/);

  const [pulled, written] = [join(dir, "pulled"), join(dir, "written")];
  execFileSync(crane, ["pull", "--format=oci", said.out.trim(), pulled]);
  await buildImages({ only: ["kube-rbac-proxy"], log: () => {}, outputDir: written });
  const blobs = (root: string) => [...filesBelow(join(root, "blobs"))].sort();
  assert.equal(blobs(pulled), blobs(written));
});

const manifestSchema = z.object({ layers: z.array(z.object({ mediaType: z.string(), digest: z.string() })) });
const indexSchema = z.object({ manifests: z.array(z.object({ artifactType: z.string(), digest: z.string() })) });

test("its bill of materials is found by the image's digest", async () => {
  const said = await images(["--push", `${open.host}/team`]);
  const [name = "", digest = ""] = said.out
    .trim()
    .replace(/:[^:/@]*@/, "@")
    .split("@");
  const ask = (...args: readonly string[]) => execFileSync(crane, args, { encoding: "utf8" });
  const referrers = indexSchema.parse(JSON.parse(ask("manifest", `${name}:${digest.replace(":", "-")}`)));
  assert.equal(
    referrers.manifests.map(({ artifactType }) => artifactType),
    ["application/vnd.cyclonedx+json"],
  );
  const artifact = manifestSchema.parse(JSON.parse(ask("manifest", `${name}@${referrers.manifests[0]?.digest}`)));
  const sbom = ask("blob", `${name}@${artifact.layers[0]?.digest}`);
  assert.is(sbom, readFileSync(join(dir, "written/sbom/kube-rbac-proxy.cdx.json"), "utf8"));
});

test("pushed again: no layer is sent a second time", async () => {
  await open.requests();
  const said = await images(["--push", `${open.host}/team`]);
  assert.is(said.code, 0, said.progress);
  assert.match(said.progress, /: was there already\n/);
  const requests = await open.requests();
  assert.ok(requests.length > 0);
  assert.equal(
    requests.filter((request) => request.includes("/blobs/uploads/")),
    [],
  );
});

test("what a kustomization says to run these very images: told, and kustomize takes it", async () => {
  const said = await images(["--push", `${open.host}/team`]);
  const block = said.progress.slice(said.progress.indexOf("images:\n"));
  const overlay = join(dir, "overlay");
  mkdirSync(overlay);
  const manifests = relative(realpathSync(overlay), join(cloneDir, "manifests"));
  writeFileSync(join(overlay, "kustomization.yaml"), `resources: [${manifests}]\n${block}`);
  const kubectl = join(await ensureBinaries(["kubectl"], (line) => console.error(`  ${line}`)), "kubectl");
  const rendered = execFileSync(kubectl, ["kustomize", overlay], { encoding: "utf8" });
  assert.match(rendered, `: ${said.out.trim().replace(/:[^:/@]*@/, "@")}\n`);
  assert.not.match(rendered, "localhost/kube-rbac-proxy:");
});

test("a tag that means another image there: told, and moved only when asked to", async () => {
  const [here, there] = [`${open.host}/team`, `${open.host}/elsewhere`];
  const { out } = await images(["--push", here]);
  const [pinned = "", tag = ""] = [out.trim(), /:([^:/@]*)@/.exec(out)?.[1]];
  const ref = `${there}/kube-rbac-proxy:${tag}`;
  execFileSync(crane, ["mutate", pinned, "--label", "of=somebody", "--tag", ref], { stdio: "pipe" });
  const digest = () => execFileSync(crane, ["digest", ref], { encoding: "utf8" }).trim();
  const [before, ours] = [digest(), pinned.split("@")[1] ?? ""];
  assert.is.not(before, ours);

  const refused = await images(["--push", there]);
  assert.is(refused.code, 1);
  assert.is(refused.out, "");
  assert.match(refused.progress, `${ref} is ${before} in the registry, and would be ${ours}\n`);
  assert.is(digest(), before);

  const moved = await images(["--push", there, "--overwrite"]);
  assert.is(moved.code, 0, moved.progress);
  assert.is(digest(), ours);
});

test("a bundle goes only where the images are that it names", async () => {
  const prefix = `${open.host}/team`;
  await open.requests();
  const bundle = ["--push", prefix, "--only", "bundle", "--revision", "abc"];
  const refused = await run(bundle);
  assert.is(refused.code, 1);
  assert.is(refused.out, "");
  assert.match(
    refused.progress,
    new RegExp(
      `bundle would name what ${prefix} does not have:\n( {2}${prefix}/runtime-insights-(node|operator)@sha256:\\w+\n){2}`,
    ),
  );
  assert.equal(
    (await open.requests()).filter((request) => !/^(HEAD|GET) /.test(request)),
    [],
  );
  const told = /npm run images -- (.*)$/m.exec(refused.progress)?.[1]?.split(" ") ?? [];
  assert.equal(told, ["--push", prefix, "--only", "node", "--only", "operator", "--revision", "abc"]);
  for (const args of [told, bundle]) {
    const { code, progress } = await run(args);
    assert.is(code, 0, progress);
  }
});

test("to a registry with a login: by the docker config file", async () => {
  writeLogin(dir, closed.host, "correct horse");
  const said = await images(["--push", `${closed.host}/team`], { DOCKER_CONFIG: dir, SSL_CERT_FILE: closed.authority });
  assert.is(said.code, 0, said.progress);
  assert.match(said.out, /@sha256:[0-9a-f]{64}\n$/);
});

const advice: readonly {
  readonly name: string;
  readonly prefix: () => string;
  readonly environment?: () => Readonly<Record<string, string>>;
  readonly says: RegExp;
}[] = [
  {
    name: "no login",
    prefix: () => `${closed.host}/team`,
    environment: () => ({ SSL_CERT_FILE: closed.authority }),
    says: /^asking the registry for localhost:\d+\/team\/kube-rbac-proxy:\S+: localhost:\d+ wants another login .*`docker login localhost:\d+`/m,
  },
  {
    name: "a wrong login",
    prefix: () => `${closed.host}/team`,
    environment: () => {
      writeLogin(dir, closed.host, "wrong");
      return { DOCKER_CONFIG: dir, SSL_CERT_FILE: closed.authority };
    },
    says: /: localhost:\d+ wants another login /,
  },
  {
    name: "a certificate that nobody here trusts",
    prefix: () => `${closed.host}/team`,
    says: /: the certificate of localhost:\d+ is not trusted here: SSL_CERT_FILE names/,
  },
  { name: "nobody listens there", prefix: () => "127.0.0.1:9/team", says: /: 127\.0\.0\.1:9 cannot be reached/ },
];
for (const { name, prefix, environment, says } of advice) {
  test(`${name}: it is said with what to do, nothing is printed and the exit code is 1`, async () => {
    const said = await images(["--push", prefix()], environment?.());
    assert.is(said.code, 1);
    assert.is(said.out, "");
    assert.match(said.progress, says);
  });
}

test.run();
