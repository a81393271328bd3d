/** The wires of a cluster: this machine and every node on the bridge of the control plane, and the ways to pods and services. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Addresses, NodeAddresses } from "./addresses.ts";
import { inMachine, type ProcessId } from "./machine.ts";

const run = promisify(execFile);
const ip = (...args: readonly string[]) => run("ip", args);

/** One veth from this machine to the bridge; it goes when the control plane's namespace goes. */
export async function connectHost(net: Addresses, controlPlane: ProcessId): Promise<void> {
  const { hostInterface } = net;
  await ip("link", "add", hostInterface, ...["type", "veth", "peer", "name", "host"], "netns", `${controlPlane.pid}`);
  await ip("addr", "add", `${net.host}/24`, "dev", hostInterface);
  await ip("link", "set", hostInterface, "up");
  await inMachine(controlPlane, ["ip", "link", "set", "host", "master", "br0", "up"]);
}

/** The node's only interface joins the bridge; this machine and the control plane learn the way to its pods. */
export async function connectNode(
  net: Addresses,
  node: NodeAddresses,
  { controlPlane, init }: { readonly controlPlane: ProcessId; readonly init: ProcessId },
): Promise<void> {
  // Not `inMachine`: the node's process number means something only outside the control plane's pid namespace.
  const onBridge = (...args: readonly string[]) => run("nsenter", ["-t", `${controlPlane.pid}`, "-n", "ip", ...args]);
  await onBridge("link", "add", node.name, ...["type", "veth", "peer", "name", "eth0"], "netns", `${init.pid}`);
  await onBridge("link", "set", node.name, "master", "br0", "up");
  await route(net, { to: node.pods, via: node, controlPlane });
}

/** Service addresses lead to the node, whose kube-proxy answers for them; the API server needs that for webhooks. */
export const connectServices = (net: Addresses, via: NodeAddresses, controlPlane: ProcessId): Promise<void> =>
  route(net, { to: net.services, via, controlPlane });

async function route(
  net: Addresses,
  { to, via, controlPlane }: { readonly to: string; readonly via: NodeAddresses; readonly controlPlane: ProcessId },
): Promise<void> {
  await inMachine(controlPlane, ["ip", "route", "add", to, "via", via.address]);
  await ip("route", "add", to, "via", via.address, "dev", net.hostInterface);
}
