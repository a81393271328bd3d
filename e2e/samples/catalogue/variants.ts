/** Processes that are awkward to recognise, on runtimes that other entries have plainly. */
import type { CatalogueEntry } from "../entry.ts";
import { ensureRuntimes } from "../runtimes.ts";
import { type Ground, shell } from "./ground.ts";

export async function variantEntries({ system, layers, is }: Ground): Promise<readonly CatalogueEntry[]> {
  const { facts } = await ensureRuntimes();
  const both = [...system, layers.node, layers.python, layers.programs];
  const node = is("Node.js", facts.node);
  return [
    {
      name: "idlers",
      about: "programs that only wait: no runtime",
      layers: system,
      command: shell("sleep 1000000 & tail -f /dev/null"),
      expected: is("", ""),
    },
    {
      name: "node-deleted",
      about: "Node.js whose file is deleted while it runs",
      layers: both,
      command: shell("cp /usr/local/bin/node /tmp/server; /tmp/server /app/hold.js & sleep 2; rm /tmp/server; wait"),
      expected: node,
    },
    {
      name: "node-replaced",
      about: "Node.js whose file is replaced by a shell while it runs",
      layers: both,
      command: shell(
        "cp /usr/local/bin/node /tmp/server; /tmp/server /app/hold.js & sleep 2; cp /bin/busybox /tmp/new; mv /tmp/new /tmp/server; wait",
      ),
      uid: 1001,
      expected: node,
    },
    {
      name: "python-before-node",
      about: "two languages at once: the older process is the answer, whatever its number of threads",
      layers: both,
      command: shell("python3 /app/hold.py & sleep 1; node /app/hold.js & wait"),
      expected: is("Python", facts.python),
    },
    {
      name: "other-user",
      about: "a shell as root, Node.js below it as another user",
      layers: both,
      command: shell("su -s /bin/sh app -c 'exec node /app/hold.js'"),
      expected: node,
    },
    {
      name: "shared-node",
      about: "Node.js in a pod whose containers share their processes",
      layers: both,
      command: ["node", "/app/hold.js"],
      pod: "shared processes",
      expected: node,
    },
    {
      name: "shared-python",
      about: "Python in the same pod, which sees Node.js as a process of its own",
      layers: both,
      command: ["python3", "/app/hold.py"],
      pod: "shared processes",
      expected: is("Python", facts.python),
    },
    {
      name: "shared-shell",
      about: "a shell in the same pod, which has no runtime of its own",
      layers: both,
      command: shell("while :; do sleep 1000; done"),
      pod: "shared processes",
      expected: is("", ""),
    },
    {
      name: "host-node",
      about: "Node.js in a pod that sees all processes of its node",
      layers: both,
      command: ["node", "/app/hold.js"],
      pod: "host processes",
      expected: node,
    },
  ];
}
