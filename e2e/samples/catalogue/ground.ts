/** What most entries of the catalogue stand on: Debian's libraries, a shell, users, and short words for their answers. */
import { entriesBelow, folder, symlink, text } from "../../../hack/images/entries.ts";
import { type Layer, layerOf } from "../../../hack/images/layer.ts";
import { ensureRuntimes, type Layers } from "../runtimes.ts";
import type { Expected } from "../samples.ts";

export interface Ground {
  /** Debian's C and C++ libraries, a shell, what start scripts call, users, os-release. */
  readonly system: readonly Layer[];
  /** The layers of the samples. */
  readonly layers: Layers;
  /** Debian with that platform and these on it, `name version`, in the order of their names. */
  readonly is: (kind: string, version: string, ...runtimes: readonly string[]) => Expected;
  /** The same without an operating system. */
  readonly bare: (kind: string, version: string, ...runtimes: readonly string[]) => Expected;
}

export async function ground(): Promise<Ground> {
  const { layers, facts } = await ensureRuntimes();
  const is = (kind: string, kindVersion: string, ...runtimes: readonly string[]): Expected => ({
    os: facts.os,
    osVersion: facts.osVersion,
    kind,
    kindVersion,
    kindImplementer: "",
    runtimes,
  });
  const tools = await layerOf([
    ...applets.map((applet) => symlink(`bin/${applet}`, "busybox")),
    symlink("usr/bin/env", "/bin/busybox"),
    text("etc/passwd", users.map((name, at) => `${name}:x:${ids[at]}:${ids[at]}:${name}:/tmp:/bin/sh\n`).join("")),
    text("etc/group", [...users, "nogroup"].map((name, at) => `${name}:x:${ids[at] ?? 65533}:\n`).join("")),
    folder("run"),
    folder("var/log"),
  ]);
  return {
    system: [layers.base, tools, layers.debianRelease],
    layers,
    is,
    bare: (...answer) => ({ ...is(...answer), os: "", osVersion: "" }),
  };
}

const users = ["root", "www-data", "app", "nobody"];
const ids = [0, 33, 1001, 65534];

/** What start scripts call, beyond what the samples' shell has. */
const applets = [
  ...["awk", "basename", "chmod", "chown", "cut", "date", "dirname", "env", "expr", "head", "hostname", "id"],
  ...["kill", "mktemp", "mv", "printf", "readlink", "sed", "sort", "tail", "touch", "tr", "uname", "wc", "xargs"],
];

const documents = /^usr\/(include|share\/(doc|man|info|locale|lintian|bug|i18n|bash-completion))\/|\.a$/;

/** A layer with the files of unpacked packages, without documents, headers and static libraries. */
export const treeLayer = (root: string): Promise<Layer> => layerOf(entriesBelow(root, (path) => !documents.test(path)));

/** A layer with that folder's files at that place, readable by all: not all of the packages' builders see to that. */
export const folderLayer = (at: string, from: string, wanted?: (path: string) => boolean): Promise<Layer> =>
  layerOf(
    entriesBelow(from, wanted).map((entry) => ({
      ...entry,
      ...(entry.kind === "file" ? { mode: (entry.mode & 0o100) === 0 ? 0o644 : 0o755 } : {}),
      path: `${at}/${entry.path}`,
    })),
  );

export const shell = (script: string): readonly string[] => ["/bin/sh", "-c", script];

/** For a program that ends with its standard input. */
export const fed = (command: string): readonly string[] => shell(`tail -f /dev/null | ${command}`);

/** The version of the program in a Debian package, without what Debian adds before and behind. */
export function upstreamVersion(versions: Readonly<Record<string, string>>, name: RegExp): string {
  const [, version = ""] = Object.entries(versions).find(([one]) => name.test(one)) ?? [];
  const upstream = /^(?:\d+:)?(\d+(?:\.\d+)*)/.exec(version)?.[1];
  if (upstream === undefined) throw new Error(`no Debian package ${name.source} with a version: "${version}"`);
  return upstream;
}

/** Packages that servers of Debian depend on for their installation only. */
export const maintenance = new RegExp(
  `^(${[
    ...["debconf", "perl", "perl-base", "perl-modules.*", "libperl.*", "lib.*-perl", "dpkg", "tar", "usrmerge", "ucf"],
    ...["init-system-helpers", "sysvinit-utils", "systemd", "libsystemd-shared", "dmsetup", "libdevmapper.*", "mount"],
    ...["libcryptsetup.*", "libfdisk1", "passwd", "adduser", "lsb-base", "libsemanage.*", "libsepol.*", "locales"],
    ...["libc-l10n", "libllvm.*", "libz3-.*", "ssl-cert", "sensible-utils", "procps", "psmisc", "iproute2", "libc6"],
    ...["postgresql-common", "postgresql-client-common", "libpam-modules.*", "libmagic.*", "openssl"],
  ].join("|")})$`,
);
