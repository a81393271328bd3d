import { test } from "uvu";
import * as assert from "uvu/assert";
import { addresses, maxClusters, maxNodes, nodeAddresses } from "./addresses.ts";

/** First and last address of a network, as numbers. */
function range(network: string): readonly [number, number] {
  const [address = "", bits = "32"] = network.split("/");
  const first = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  return [first, first + 2 ** (32 - Number(bits)) - 1];
}

const contains = (outer: string, inner: string): boolean =>
  range(outer)[0] <= range(inner)[0] && range(inner)[1] <= range(outer)[1];

const indexes = Array.from({ length: maxClusters }, (_, at) => at);
const numbers = Array.from({ length: maxNodes }, (_, at) => at + 1);

test("no two networks overlap, of all clusters a machine can have", () => {
  const all = indexes
    .flatMap((index) => [addresses(index).subnet, addresses(index).services, addresses(index).pods])
    .map(range)
    .sort(([a], [b]) => a - b);
  for (let at = 1; at < all.length; at += 1) assert.ok((all[at - 1]?.[1] ?? 0) < (all[at]?.[0] ?? 0));
});

test("every network is private address space", () => {
  for (const index of indexes) {
    const net = addresses(index);
    assert.ok(contains("172.16.0.0/12", net.subnet));
    assert.ok(contains("10.0.0.0/8", net.services));
    assert.ok(contains("10.0.0.0/8", net.pods));
  }
});

test("what has an address has one of its own, in the network that is meant for it", () => {
  for (const index of indexes) {
    const net = addresses(index);
    const nodes = numbers.map((number) => nodeAddresses(index, number));
    const onSubnet = [net.apiServer, net.host, ...nodes.map((node) => node.address)];
    assert.is(new Set(onSubnet).size, onSubnet.length);
    for (const address of onSubnet) assert.ok(contains(net.subnet, address));
    for (const address of [net.dnsService, net.kubernetesService]) assert.ok(contains(net.services, address));
    for (const node of nodes) assert.ok(contains(net.pods, node.pods));
    assert.is(new Set(nodes.map((node) => node.pods)).size, maxNodes);
  }
});

test("an interface's name fits into the kernel's 15 characters", () => {
  for (const index of indexes) assert.ok(addresses(index).hostInterface.length <= 15);
});

test.run();
