/** An image of one static program, as a docker archive that containerd imports; the cluster's own pods use nothing else. */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { buffer } from "node:stream/consumers";
import { pack } from "tar-stream";

async function tar(entries: Readonly<Record<string, Buffer>>, mode: number): Promise<Buffer> {
  const archive = pack();
  for (const [name, content] of Object.entries(entries)) archive.entry({ name, mode, mtime: new Date(0) }, content);
  archive.finalize();
  return buffer(archive);
}

/** Writes the archive; the program is the entry point and lies in the root folder. */
export async function writeProgramImage(ref: string, program: string, archive: string): Promise<void> {
  const name = basename(program);
  const layer = await tar({ [name]: readFileSync(program) }, 0o755);
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === "x64" ? "amd64" : process.arch,
      os: "linux",
      config: { Entrypoint: [`/${name}`], WorkingDir: "/", Env: ["PATH=/"] },
      rootfs: { type: "layers", diff_ids: [`sha256:${createHash("sha256").update(layer).digest("hex")}`] },
    }),
  );
  const manifest = Buffer.from(JSON.stringify([{ Config: "config.json", RepoTags: [ref], Layers: ["layer.tar"] }]));
  writeFileSync(archive, await tar({ "layer.tar": layer, "config.json": config, "manifest.json": manifest }, 0o644));
}
