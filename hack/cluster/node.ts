/** A node: one machine with containerd, kubelet and kube-proxy, its own /var/log, /run, CNI state and cgroup. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Addresses, NodeAddresses } from "./addresses.ts";
import { background, endTogether, initStart, quote } from "./init-script.ts";

export interface NodePlace {
  readonly dir: string;
  readonly binDir: string;
  readonly kubeconfig: string;
  /** Name of the folder in every cgroup hierarchy. */
  readonly cgroup: string;
  readonly node: NodeAddresses;
  /** Every node of the cluster, this one included. */
  readonly nodes: readonly NodeAddresses[];
  readonly net: Addresses;
}

/** Inside the node's own /run. */
export const containerdSocket = "/run/containerd/containerd.sock";
export const pauseImage = "localhost/pause:1";

/** Folders that CNI and kubelet write to whatever they are told; each node has its own mounted over them. */
export const mountPoints = ["/var/lib/cni", "/var/lib/kubelet"] as const;

/** Writes the node's configuration files; the script that is to be the init of its namespaces. */
export function prepareNode(place: NodePlace): string {
  for (const part of ["log", "cni", "kubelet", "containerd", ...mountPoints.map(ownFolder)])
    mkdirSync(join(place.dir, part), { recursive: true });
  const write = (name: string, text: string) => writeFileSync(join(place.dir, name), text);
  write("containerd.toml", containerdConfig(place));
  write("cni/10-pods.conflist", JSON.stringify(networkConfig(place), undefined, 2));
  write("kubelet.json", JSON.stringify(kubeletConfig(place), undefined, 2));
  write("kube-proxy.json", JSON.stringify(proxyConfig(place), undefined, 2));
  write("resolv.conf", "");
  const script = join(place.dir, "init.sh");
  writeFileSync(script, nodeScript(place));
  return script;
}

/** Where a node keeps what it writes below one of the mount points, relative to its folder. */
const ownFolder = (mountPoint: string): string => join("mounts", mountPoint);

/** AppArmor and lower OOM scores need rights that a sandboxed machine may lack. */
const containerdConfig = ({ dir }: NodePlace): string => `version = 2
root = "${dir}/containerd"
state = "/run/containerd"
[grpc]
  address = "${containerdSocket}"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  disable_apparmor = true
  sandbox_image = "${pauseImage}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${dir}/cni"
[plugins."io.containerd.internal.v1.opt"]
  path = "${dir}/containerd/opt"
`;

/** Routed, not bridged: replies of a service on the same node pass the node's NAT without br_netfilter. */
const networkConfig = ({ dir, node }: NodePlace) => ({
  cniVersion: "0.4.0",
  name: "pods",
  plugins: [
    {
      type: "ptp",
      ipMasq: false,
      ipam: {
        type: "host-local",
        dataDir: join(dir, "cni", "addresses"),
        ranges: [[{ subnet: node.pods }]],
        routes: [{ dst: "0.0.0.0/0" }],
      },
    },
    { type: "portmap", capabilities: { portMappings: true } },
  ],
});

const kubeletConfig = ({ dir, cgroup, net }: NodePlace) => ({
  apiVersion: "kubelet.config.k8s.io/v1beta1",
  kind: "KubeletConfiguration",
  failSwapOn: false,
  failCgroupV1: false,
  cgroupDriver: "cgroupfs",
  cgroupRoot: `/${cgroup}`,
  enforceNodeAllocatable: [],
  localStorageCapacityIsolation: false,
  authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
  authorization: { mode: "AlwaysAllow" },
  containerRuntimeEndpoint: `unix://${containerdSocket}`,
  featureGates: { KubeletInUserNamespace: true },
  imageGCHighThresholdPercent: 100,
  evictionHard: { "imagefs.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%" },
  clusterDNS: [net.dnsService],
  clusterDomain: "cluster.local",
  resolvConf: join(dir, "resolv.conf"),
  volumePluginDir: join(dir, "kubelet", "volume-plugins"),
  maxPods: 250,
  nodeStatusUpdateFrequency: "5s",
});

const proxyConfig = ({ kubeconfig, node, net }: NodePlace) => ({
  apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
  kind: "KubeProxyConfiguration",
  clientConnection: { kubeconfig },
  mode: "iptables",
  clusterCIDR: net.pods,
  hostnameOverride: node.name,
  conntrack: { maxPerCore: 0, min: 0 },
});

function nodeScript({ dir, binDir, kubeconfig, cgroup, node, nodes, net }: NodePlace): string {
  const others = nodes.filter(({ name }) => name !== node.name);
  const kubelet = [
    join(binDir, "kubelet"),
    `--kubeconfig=${kubeconfig}`,
    `--config=${join(dir, "kubelet.json")}`,
    `--root-dir=${join(dir, "kubelet")}`,
    `--cert-dir=${join(dir, "kubelet", "pki")}`,
    `--hostname-override=${node.name}`,
    `--node-ip=${node.address}`,
  ];
  return `${initStart}
mount --make-rprivate /
mount -t proc proc /proc
mount --bind ${quote(join(dir, "log"))} /var/log
${mountPoints.map((path) => `mkdir -p ${path}\nmount --bind ${quote(join(dir, ownFolder(path)))} ${path}`).join("\n")}
mount -t tmpfs tmpfs /run
mount --make-rshared /
hostname ${node.name}
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir -p /sys/fs/cgroup/${cgroup}
else
  for hierarchy in /sys/fs/cgroup/*; do
    [ "$hierarchy" = /sys/fs/cgroup/unified ] || mkdir -p "$hierarchy/${cgroup}"
  done
  for file in cpuset.cpus cpuset.mems; do
    cat /sys/fs/cgroup/cpuset/$file > /sys/fs/cgroup/cpuset/${cgroup}/$file
  done
fi
ip link set lo up
until ip link show eth0 > /dev/null 2>&1; do sleep 0.05; done
ip addr add ${node.address}/24 dev eth0
ip link set eth0 up
ip route add default via ${net.apiServer}
${others.map((other) => `ip route add ${other.pods} via ${other.address}`).join("\n")}
echo 1 > /proc/sys/net/ipv4/ip_forward
${background("containerd", ["containerd", "-c", join(dir, "containerd.toml")], dir)}
until [ -S ${containerdSocket} ] && [ -s ${quote(kubeconfig)} ]; do sleep 0.1; done
${background("kube-proxy", [join(binDir, "kube-proxy"), `--config=${join(dir, "kube-proxy.json")}`], dir)}
${background("kubelet", kubelet, dir)}
${endTogether}
`;
}
