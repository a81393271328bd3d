/** Pods with real runtimes, plainly and awkwardly started, and what must be found in each of their containers. */
import type { SampleImage } from "./images.ts";
import { ensureRuntimes, type Facts } from "./runtimes.ts";

/** Empty strings: nothing may be said. */
export interface Expected {
  readonly os: string;
  readonly osVersion: string;
  readonly kind: string;
  readonly kindVersion: string;
  readonly kindImplementer: string;
  /** Frameworks, `name version`. */
  readonly runtimes: readonly string[];
}

export interface SampleContainer {
  readonly name: string;
  readonly image: SampleImage;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Default: root, as the images say. */
  readonly uid?: number;
  readonly expected: Expected;
}

export interface Sample {
  /** Of the pod. */
  readonly name: string;
  readonly namespace: string;
  /** The cluster's node that runs it, counted from 0; modulo the number of nodes. */
  readonly node: number;
  /** What is special about it. */
  readonly about: string;
  readonly containers: readonly SampleContainer[];
}

/** The samples with their answers; exact versions come from the runtimes, which are fetched when they are not in the cache. */
export async function loadSamples(): Promise<readonly Sample[]> {
  return samplesWith((await ensureRuntimes()).facts);
}

const shellWith = (child: string): readonly string[] => [
  "/bin/sh",
  "-c",
  `trap 'kill $child; exit 0' TERM; ${child} & child=$!; wait $child`,
];
const shell = ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"] as const;
const java = ["-Xmx16m", "-Xshare:auto", "-XX:+UseSerialGC", "-cp", "/app", "Hold"] as const;

/** The table itself; only the versions come from outside. */
export function samplesWith(facts: Facts): readonly Sample[] {
  const debian = { os: facts.os, osVersion: facts.osVersion, kindImplementer: "", runtimes: [] };
  const none: Expected = { ...debian, kind: "", kindVersion: "" };
  const node24: Expected = { ...debian, kind: "Node.js", kindVersion: facts.node };
  const node22: Expected = { ...debian, kind: "Node.js", kindVersion: facts.otherNode };
  const jvm: Expected = { ...debian, kind: "Java", kindVersion: facts.java, kindImplementer: facts.javaImplementer };
  const python: Expected = { ...debian, kind: "Python", kindVersion: facts.python };
  const go: Expected = { ...debian, kind: "Golang", kindVersion: facts.go };

  const one = (
    namespace: string,
    name: string,
    at: number,
    about: string,
    container: Omit<SampleContainer, "name">,
  ): Sample => ({ name, namespace, node: at, about, containers: [{ name: "app", ...container }] });

  return [
    one("shop", "web", 0, "Node.js as the first process", {
      image: "node",
      command: ["/usr/local/bin/node", "/app/hold.js"],
      expected: node24,
    }),
    one("shop", "orders", 1, "Java through PATH and two symlinks, JAVA_HOME unset", {
      image: "java",
      command: ["java", ...java],
      expected: jvm,
    }),
    one("shop", "catalog", 0, "Go, static and stripped, alone in its image, without os-release, as another user", {
      image: "go",
      command: ["/catalog"],
      uid: 65532,
      expected: { ...go, os: "", osVersion: "" },
    }),
    {
      name: "checkout",
      namespace: "shop",
      node: 1,
      about: "two containers of different runtimes",
      containers: [
        { name: "app", image: "node", command: ["/usr/local/bin/node", "/app/hold.js"], expected: node24 },
        { name: "sidecar", image: "python", command: ["/usr/bin/python3", "/app/hold.py"], expected: python },
      ],
    },
    one("shop", "wrapped", 0, "a shell as the first process, Node.js as its child", {
      image: "node",
      command: shellWith("node /app/hold.js"),
      expected: node24,
    }),
    one("billing", "payments", 0, "Java with a JAVA_HOME that leads nowhere", {
      image: "java",
      command: ["/usr/bin/java", ...java],
      env: { JAVA_HOME: "/opt/java-8" },
      expected: jvm,
    }),
    one("billing", "ledger", 1, "a shell as the first process, Java as its child, as another user", {
      image: "java",
      command: shellWith(`java ${java.join(" ")}`),
      uid: 1001,
      expected: jvm,
    }),
    one("billing", "invoices", 1, "CPython as another user", {
      image: "python",
      command: ["/usr/bin/python3", "/app/hold.py"],
      uid: 1001,
      expected: python,
    }),
    one("billing", "reports", 0, "a Python script started by its own name", {
      image: "python",
      command: ["/app/serve"],
      expected: python,
    }),
    one("billing", "dropped", 0, "a shell as root, Node.js as its child under another user", {
      image: "node",
      command: shellWith("su -s /bin/sh app -c 'exec node /app/hold.js'"),
      expected: node24,
    }),
    one("billing", "batch", 1, "several processes: a shell, a Python helper beside it, Node.js", {
      image: "mixed",
      command: [
        "/bin/sh",
        "-c",
        "trap 'kill $(jobs -p); exit 0' TERM; node /app/hold.js & python3 /app/hold.py & wait",
      ],
      expected: node24,
    }),
    one("billing", "pipes", 1, "os-release is a pipe that nobody writes to, which must not block us", {
      image: "shell",
      command: [
        ...["/bin/sh", "-c"],
        `rm /etc/os-release /usr/lib/os-release; mkfifo /etc/os-release /usr/lib/os-release; ${shell[2]}`,
      ],
      expected: { ...none, os: "", osVersion: "" },
    }),
    one("edge", "gateway", 1, "Go, position independent, os-release only in /usr/lib", {
      image: "go-pie",
      command: ["gateway"],
      expected: go,
    }),
    one("edge", "janitor", 0, "nothing but a shell", { image: "shell", command: shell, expected: none }),
    one("edge", "portal", 0, "another Node.js, found through the container's own PATH", {
      image: "other-node",
      command: ["node", "/app/hold.js"],
      env: { PATH: "/opt/node/bin:/usr/bin:/bin" },
      expected: node22,
    }),
    one("edge", "deleted", 0, "Go, its file deleted while it runs", {
      image: "go-pie",
      command: [
        ...["/bin/sh", "-c"],
        "trap 'kill $child; exit 0' TERM; cp /usr/local/bin/gateway /tmp/app; /tmp/app & child=$!; sleep 1; rm /tmp/app; wait $child",
      ],
      expected: go,
    }),
    one("edge", "renamed", 1, "Node.js called server", {
      image: "node",
      command: ["/srv/server", "/app/hold.js"],
      expected: node24,
    }),
    one("edge", "console", 1, "Node.js on another operating system (its os-release is a fixture)", {
      image: "node-rhel",
      command: ["/usr/local/bin/node", "/app/hold.js"],
      expected: { ...node24, os: "rhel", osVersion: "9.4" },
    }),
    one("edge", "decoy", 0, "a Go program called node, which leaves a marker if it is run again", {
      image: "decoy",
      command: ["/usr/local/bin/node", "serve"],
      expected: go,
    }),
    one("edge", "decoy-script", 1, "a shell script called java, which leaves a marker if it is run again", {
      image: "decoy",
      command: ["/usr/local/bin/java", "serve"],
      expected: none,
    }),
  ];
}

/** Programs that must not be started a second time, and the file that would tell. */
export const decoys = [
  { namespace: "edge", pod: "decoy", program: "/usr/local/bin/node" },
  { namespace: "edge", pod: "decoy-script", program: "/usr/local/bin/java" },
] as const;
export const decoyMarker = "/tmp/ran-again";
