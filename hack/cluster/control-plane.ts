/** The control plane: one machine with the cluster's bridge, etcd, API server, controllers and scheduler. */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Addresses } from "./addresses.ts";
import { auditFlags } from "./audit.ts";
import { background, endTogether, initStart, keepRunning, quote } from "./init-script.ts";

/** Written once per cluster: the service account key and the administrator's token. */
export interface Secrets {
  readonly keyFile: string;
  readonly tokenFile: string;
  readonly token: string;
}

export function writeSecrets(dir: string): Secrets {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const { privateKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  const token = randomBytes(24).toString("hex");
  const secrets = { keyFile: join(dir, "service-account.key"), tokenFile: join(dir, "tokens.csv"), token };
  writeFileSync(secrets.keyFile, privateKey, { mode: 0o600 });
  writeFileSync(secrets.tokenFile, `${token},admin,admin,"system:masters"\n`, { mode: 0o600 });
  return secrets;
}

export interface ApiServerPlace {
  readonly dir: string;
  readonly binDir: string;
  readonly secrets: Secrets;
  /** Where it listens and what its certificate is for. */
  readonly address: string;
  readonly port: number;
  readonly etcdPort: number;
  readonly etcdPeerPort: number;
  readonly services: string;
  /** False on loopback, which the API server does not accept as an endpoint of service `kubernetes`. */
  readonly publishEndpoint: boolean;
}

export function etcdCommand(place: ApiServerPlace): string[] {
  const client = `http://127.0.0.1:${place.etcdPort}`;
  const peer = `http://127.0.0.1:${place.etcdPeerPort}`;
  return [
    join(place.binDir, "etcd"),
    ...["--name", "default", "--data-dir", join(place.dir, "etcd"), "--unsafe-no-fsync=true", "--log-level", "error"],
    ...["--listen-client-urls", client, "--advertise-client-urls", client],
    ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", `default=${peer}`],
  ];
}

/** The certificate authority of the API server that keeps its files there; undefined until it has written them. */
export function readAuthority(dir: string): Buffer | undefined {
  const certs = join(dir, "certs");
  // The key is written last.
  return existsSync(join(certs, "apiserver.key")) ? readFileSync(join(certs, "apiserver.crt")) : undefined;
}

/** Its own certificate authority signs its certificate; `apiserver.crt` in `certs` holds both. */
export function apiServerCommand(place: ApiServerPlace): string[] {
  return [
    join(place.binDir, "kube-apiserver"),
    `--etcd-servers=http://127.0.0.1:${place.etcdPort}`,
    `--cert-dir=${join(place.dir, "certs")}`,
    `--secure-port=${place.port}`,
    `--bind-address=${place.address}`,
    ...(place.publishEndpoint
      ? [`--advertise-address=${place.address}`, "--endpoint-reconciler-type=lease"]
      : ["--endpoint-reconciler-type=none"]),
    `--service-cluster-ip-range=${place.services}`,
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${place.secrets.keyFile}`,
    `--service-account-signing-key-file=${place.secrets.keyFile}`,
    `--token-auth-file=${place.secrets.tokenFile}`,
    "--authorization-mode=RBAC",
    "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
    "--allow-privileged=true",
    "--kubelet-preferred-address-types=InternalIP",
    "--profiling=false",
    ...auditFlags(place.dir),
  ];
}

/** The controller-manager; its garbage collector follows owner references. */
export function controllerCommand(place: ApiServerPlace, kubeconfigFile: string): string[] {
  return [
    join(place.binDir, "kube-controller-manager"),
    `--kubeconfig=${kubeconfigFile}`,
    `--service-account-private-key-file=${place.secrets.keyFile}`,
    `--root-ca-file=${join(place.dir, "certs", "apiserver.crt")}`,
    `--flex-volume-plugin-dir=${join(place.dir, "volume-plugins")}`,
    "--leader-elect=false",
    "--use-service-account-credentials=false",
    "--cluster-signing-cert-file=",
  ];
}

export function kubeconfig(server: string, token: string, certificateAuthority: Buffer): string {
  const cluster = { server, "certificate-authority-data": certificateAuthority.toString("base64") };
  return `${JSON.stringify(
    {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "local", cluster }],
      users: [{ name: "admin", user: { token } }],
      contexts: [{ name: "local", context: { cluster: "local", user: "admin" } }],
      "current-context": "local",
    },
    undefined,
    2,
  )}\n`;
}

/** The init of the control plane; everything that needs the kube config waits for `up` to write it. */
export function controlPlaneScript(
  place: ApiServerPlace,
  net: Addresses,
  configOperator: readonly string[] | undefined,
): string {
  const config = join(place.dir, "kubeconfig");
  const start = (name: string, command: readonly string[]) => background(name, command, place.dir);
  return [
    initStart,
    "mount --make-rprivate /",
    "mount -t proc proc /proc",
    "hostname control-plane",
    "ip link set lo up",
    "ip link add br0 type bridge",
    `ip addr add ${net.apiServer}/24 dev br0`,
    "ip link set br0 up",
    "echo 1 > /proc/sys/net/ipv4/ip_forward",
    start("etcd", etcdCommand(place)),
    start("kube-apiserver", apiServerCommand(place)),
    `until [ -s ${quote(config)} ]; do sleep 0.1; done`,
    start("kube-controller-manager", controllerCommand(place, config)),
    start("kube-scheduler", [join(place.binDir, "kube-scheduler"), `--kubeconfig=${config}`, "--leader-elect=false"]),
    ...(configOperator === undefined ? [] : [keepRunning("config-operator", configOperator, place.dir)]),
    endTogether,
    "",
  ].join("\n");
}
