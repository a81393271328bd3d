/** Node.js of four major versions, and frameworks on it that really serve. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { copy, symlink } from "../../../hack/images/entries.ts";
import { layerOf } from "../../../hack/images/layer.ts";
import { type NodeProgram, otherNode, ownNode } from "../../../hack/images/node-program.ts";
import type { CatalogueEntry } from "../entry.ts";
import { folderLayer, type Ground, shell } from "./ground.ts";
import { npmPackage, npmProject } from "./registries.ts";

const integrity = {
  18: "sha512-JWUTwZ9vMOjZXMtiBc74OZn12DXb4skKfY4Nlyc17Ss8BTaxjwkXAw6xZb0Ck5afUYU/neBbrHjo9O3baF34ww==",
  20: "sha512-PeHQM8wAdmHtZA1mBocygZxs5LiUWtsJezQTkBd0iY987KpGrD1O2tVEydvMZiuXceRanxt7rjTnDEBwOPujoQ==",
  22: "sha512-qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==",
  npm: "sha512-OnUG836FwboQIbqtefDNlyR0gTHzIfwRfE3DuiNewBvnMnWEpB0VEXwBlFVgqpNzIgYo/MHh3d2Hel/pszapAA==",
};

export async function nodeEntries({ system, layers, is }: Ground): Promise<readonly CatalogueEntry[]> {
  const [old, mid, late] = [
    await otherNode("18.20.8", { x64: integrity[18] }),
    await otherNode("20.20.2", { x64: integrity[20] }),
    await otherNode("22.23.3", { x64: integrity[22] }),
  ];
  const own = await ownNode();
  const on = async ({ file }: NodeProgram) => [
    ...system,
    file === own.file ? layers.node : await layerOf([copy("usr/local/bin/node", file, 0o755)]),
    layers.programs,
  ];
  const is22 = (...runtimes: readonly string[]) => is("Node.js", late.version, ...runtimes);
  const project = async (name: string, build?: string) => {
    const folder = await npmProject(name, build);
    return { folder, layer: await folderLayer("app", folder, (path) => !notNeeded.test(path)) };
  };
  const [express, nest] = [await project("express"), await project("nest")];
  const [next, pm2] = [await project("next", "build"), await project("pm2")];
  const npm = await folderLayer("usr/local/lib/node_modules/npm", await npmPackage("npm@10.9.4", integrity.npm));
  const npmLink = await layerOf([symlink("usr/local/bin/npm", "../lib/node_modules/npm/bin/npm-cli.js")]);
  const isExpress = is22(`Express ${versionIn(express.folder, "express")}`);

  return [
    {
      name: "node-18",
      about: "Node.js 18",
      layers: await on(old),
      command: ["node", "/app/hold.js"],
      expected: is("Node.js", old.version),
    },
    {
      name: "node-20",
      about: "Node.js 20, as another user",
      layers: await on(mid),
      command: ["/usr/local/bin/node", "/app/hold.js"],
      uid: 1001,
      expected: is("Node.js", mid.version),
    },
    {
      name: "node-22",
      about: "Node.js 22",
      layers: await on(late),
      command: ["node", "/app/hold.js"],
      expected: is22(),
    },
    {
      name: "node-24",
      about: "Node.js 24, which calls its first thread MainThread",
      layers: await on(own),
      command: ["node", "/app/hold.js"],
      expected: is("Node.js", own.version),
    },
    {
      name: "node-renamed-itself",
      about: "Node.js that has overwritten its title and command line",
      layers: await on(mid),
      command: ["node", "-e", "process.title = '/usr/bin/python3 app.py'; setInterval(() => {}, 1e9)"],
      expected: is("Node.js", mid.version),
    },
    {
      name: "express",
      about: "Express",
      layers: [...(await on(late)), express.layer],
      command: ["node", "/app/server.js"],
      expected: isExpress,
    },
    {
      name: "express-npm-start",
      about: "Express below npm start and its shell, relative to the working directory",
      layers: [...(await on(late)), express.layer, npm, npmLink],
      command: shell("cd /app && exec npm start"),
      env: { npm_config_cache: "/tmp/npm", npm_config_update_notifier: "false" },
      uid: 1001,
      expected: isExpress,
    },
    {
      name: "nestjs",
      about: "NestJS on Express, which one of its own packages brings",
      layers: [...(await on(late)), nest.layer],
      command: ["node", "/app/main.js"],
      expected: is22(
        `Express ${versionIn(nest.folder, "express")}`,
        `NestJS ${versionIn(nest.folder, "@nestjs/core")}`,
      ),
    },
    {
      name: "nextjs",
      about: "Next.js, built, started by its own program, which overwrites its title",
      layers: [...(await on(late)), next.layer],
      command: shell("cd /app && exec node node_modules/next/dist/bin/next start -p 3801"),
      env: { NEXT_TELEMETRY_DISABLED: "1" },
      expected: is22(`Next.js ${versionIn(next.folder, "next")}`),
    },
    {
      name: "pm2",
      about: "two workers of a cluster of pm2's, below its daemon",
      layers: [...(await on(late)), pm2.layer],
      command: shell("cd /app && exec node node_modules/pm2/bin/pm2-runtime start /app/hold.js -i 2"),
      env: { HOME: "/tmp", PM2_HOME: "/tmp/pm2" },
      expected: is22(),
    },
  ];
}

/** What builds need and servers do not. */
const notNeeded = /(^|\/)node_modules\/(@next\/swc-|@img\/|\.cache\/)|^\.next\/cache\/|^node_modules\/\.bin\//;

const packageSchema = z.object({ version: z.string() });
const versionIn = (project: string, name: string): string =>
  packageSchema.parse(JSON.parse(readFileSync(join(project, "node_modules", name, "package.json"), "utf8"))).version;
