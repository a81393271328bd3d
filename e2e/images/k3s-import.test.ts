/** How images get into K3s, with Debian's containerd in an unprivileged container in its place: what K3s is made of but for what only a privileged one can do. */
import { execFileSync } from "node:child_process";
import { createReadStream } from "node:fs";
import { text } from "node:stream/consumers";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { findEngine } from "../../hack/cluster/engine.ts";
import { importArchive } from "../../hack/cluster/k3s.ts";
import { copy, folder, symlink } from "../../hack/images/entries.ts";
import { layerOf } from "../../hack/images/layer.ts";
import { writeArchive } from "../../hack/images/oci.ts";
import { waitFor } from "../../hack/kubectl.ts";
import { removeAll, testLabel } from "./pod.ts";
import { loadedImages } from "./world.ts";

const ref = "localhost/runtime-insights-test-containerd:1";
const programs = ["/usr/bin/containerd", "/usr/bin/ctr"] as const;

let id = "";
let ctr: (...args: readonly string[]) => Promise<string>;

test.after(removeAll);

/** The loader and libraries that programs of this machine ask for. */
const libraries = (): readonly string[] => [
  ...new Set(programs.flatMap((program) => execFileSync("ldd", [program], { encoding: "utf8" }).match(/\/\S+/g) ?? [])),
];

test("a containerd runs", async () => {
  const files = [...programs, ...libraries()].map((file) => copy(file.slice(1), file, 0o755));
  const layer = await layerOf([
    ...files,
    copy("bin/busybox", "/bin/busybox", 0o755),
    symlink("bin/rm", "busybox"),
    folder("tmp", 0o1777),
  ]);
  const [built] = await writeArchive("test-containerd", [{ ref, layers: [layer], cmd: ["/usr/bin/containerd"] }]);
  const client = await findEngine();
  const { dockerode } = client.container;
  await text(await dockerode.loadImage(createReadStream(built?.archive ?? "")));
  const container = await dockerode.createContainer({
    Image: ref,
    Labels: { [testLabel]: "k3s" },
    HostConfig: { CapAdd: ["SYS_ADMIN"], Tmpfs: { "/run": "rw", "/var/lib/containerd": "rw" } },
  });
  await container.start();
  id = container.id;
  ctr = async (...args) => {
    const { exitCode, output } = await client.container.exec(container, ["ctr", "-n", "k8s.io", ...args]);
    if (exitCode !== 0) throw new Error(output);
    return output;
  };
  await waitFor("containerd", () => ctr("version"), { timeoutMs: 30_000, everyMs: 200 });
});

test("an image is there by its name and by its digest, also when it is imported again, and the archive is not", async () => {
  const node = (await loadedImages()).find((image) => image.ref.includes("runtime-insights-node:"));
  if (node === undefined) throw new Error("there is no image of the node programs");
  const client = await findEngine();
  for (const _ of ["first", "again"]) {
    await importArchive(client, id, node.archive);
    const rows = (await ctr("images", "list")).split("\n").map((line) => line.split(/\s+/));
    const byName = rows
      .filter(([name = ""]) => name.startsWith("localhost/"))
      .map(([name, , digest]) => [name, digest]);
    assert.equal(byName, [
      [node.ref, node.digest],
      [`${node.ref.replace(/:[^:]*$/, "")}@${node.digest}`, node.digest],
    ]);
  }
  const { output } = await client.container.exec(client.container.getById(id), ["busybox", "ls", "-A", "/tmp"]);
  assert.is(output, "");
});

test("what is no image is an error with containerd's words", async () => {
  const client = await findEngine();
  const failed = await importArchive(client, id, "/bin/busybox").then(
    () => "",
    (cause: Error) => cause.message,
  );
  assert.match(failed, /^running ctr -n k8s\.io images import .* in K3s: .*\S/);
});

test.run();
