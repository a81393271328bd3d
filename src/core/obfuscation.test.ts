import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { makeObfuscation, type NetworkFacts } from "./obfuscation.ts";

const facts: NetworkFacts = {
  networks: ["10.128.0.0/14", "172.30.0.0/16", "10.130.7.0/24", "fd01::/48", "nonsense"],
  baseDomain: "shop.example",
  apiHosts: ["api.shop.example", "api-int.shop.example"],
};

const rows: readonly (readonly [rule: string, text: string, hidden: string])[] = [
  ["an address of a network is the next of it", "10.129.3.4", "10.128.0.1"],
  ["equal ones are equal, others differ", "10.129.3.4 10.129.3.5 10.129.3.4", "10.128.0.1 10.128.0.2 10.128.0.1"],
  [
    "networks count apart, the more specific one first",
    "10.130.7.9 10.131.0.1 172.30.0.9",
    "10.130.7.1 10.128.0.1 172.30.0.1",
  ],
  ["the local host is a network", "127.0.0.5", "127.0.0.1"],
  ["the default network of egress addresses", "192.168.100.7", "192.168.64.1"],
  ["an address of no network is nothing", "8.8.8.8", "0.0.0.0"],
  ["the address of a network itself stays", "10.128.0.0 127.0.0.0", "10.128.0.0 127.0.0.0"],
  ["a network in its notation stays", "10.129.0.0/23 8.8.8.8/32", "10.129.0.0/23 8.8.8.8/32"],
  ["a version of four parts looks like an address", '{"version":"1.2.3.4"}', '{"version":"0.0.0.0"}'],
  ["a version of three parts does not", '{"version":"1.2.3"}', '{"version":"1.2.3"}'],
  ["a leading zero is no address", "10.129.03.4", "10.129.03.4"],
  ["no octet above 255: what is left of it", "999.129.3.4", "90.0.0.0"],
  ["inside a URL", 'Post "https://10.129.3.4:8443/x"', 'Post "https://10.128.0.1:8443/x"'],
  [
    "hosts of the API go before the domain they are in",
    "api.shop.example shop.example",
    "<CLUSTER_DOMAIN_HOST> <CLUSTER_BASE_DOMAIN>",
  ],
  ["a domain inside a longer word", "x.shop.example.y", "x.<CLUSTER_BASE_DOMAIN>.y"],
  ["IPv6 stays", "fd01::7", "fd01::7"],
];
for (const [rule, text, hidden] of rows)
  test(`obfuscation: ${rule}`, () => assert.is(makeObfuscation(facts)(text), hidden));

test("of networks in each other the one whose prefix length is greater as text counts, as upstream has it", () => {
  const hide = makeObfuscation({
    networks: ["10.0.0.0/8", "10.128.0.0/14", "10.0.0.0/16"],
    baseDomain: "",
    apiHosts: [],
  });
  assert.is(hide("10.0.0.0 10.128.0.0 10.128.0.1 10.0.7.7"), "10.0.0.0 10.0.0.1 10.0.0.2 10.0.0.3");
});

test("one table for all texts of an archive", () => {
  const hide = makeObfuscation(facts);
  assert.equal(
    [hide("10.129.0.1"), hide("10.129.0.2"), hide("10.129.0.1")],
    ["10.128.0.1", "10.128.0.2", "10.128.0.1"],
  );
});

test("a network that is used up starts again", () => {
  const hide = makeObfuscation({ networks: ["10.0.0.0/30"], baseDomain: "", apiHosts: [] });
  assert.is(hide("10.0.0.3 10.0.0.2 10.0.0.1"), "10.0.0.1 10.0.0.2 10.0.0.3");
  const small = makeObfuscation({ networks: ["10.0.0.0/31"], baseDomain: "", apiHosts: [] });
  assert.is(small("10.0.0.1"), "10.0.0.1");
});

test("megabytes of what nearly is an address end, as they would not in quadratic time", () => {
  const hide = makeObfuscation(facts);
  for (const part of ["1", "1.", "1.2.3.", "255.", "1.2.3.4/", "1.2.3.4.", ".", "shop.exampl", "api."])
    assert.type(hide(part.repeat(2_000_000 / part.length)), "string");
  assert.is(hide("8.8.8.8 ".repeat(100_000)), "0.0.0.0 ".repeat(100_000));
});

test("on a cluster that does not name its networks no address is left, save in the notation of networks", () => {
  const hide = makeObfuscation({ networks: null, baseDomain: "", apiHosts: [" "] });
  fc.assert(fc.property(fc.ipV4(), (address) => assert.is(hide(`<${address}>`), "<0.0.0.0>")));
  assert.is(hide("127.0.0.1 192.168.100.7 10.0.0.0/8"), "0.0.0.0 0.0.0.0 10.0.0.0/8");
});

test.run();
