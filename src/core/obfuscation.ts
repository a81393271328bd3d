/** Replaces what tells of the cluster's network in the text of an archive: IPv4 addresses, its base domain and the hosts of its API. */

export interface NetworkFacts {
  /** In the notation `10.0.0.0/8`; others are ignored. Null when the cluster does not name them: then no address is of a known one. */
  readonly networks: readonly string[] | null;
  /** Empty when not known. */
  readonly baseDomain: string;
  readonly apiHosts: readonly string[];
}

/** Networks that are known without asking: the host itself, and where OVN takes its egress addresses from. */
const ownNetworks = ["127.0.0.0/8", "192.168.126.0/18"];
const octet = "(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)";
const addressOrNetwork = new RegExp(`(?:${octet}\\.){3}${octet}(?:/[0-9]{1,2})?`, "g");

interface Network {
  readonly first: number;
  readonly size: number;
  /** How many of its addresses have been given away. */
  used: number;
}

/**
 * A function for all texts of one archive: equal addresses become equal ones, the next free one of their network, counted from its
 * start; the address of the network itself stays, one of no known network becomes 0.0.0.0. Longer domains go before shorter ones.
 */
export function makeObfuscation({ networks, baseDomain, apiHosts }: NetworkFacts): (text: string) => string {
  const named = networks === null ? [] : [...ownNetworks, ...networks];
  const known = [...new Set(named)].sort(moreSpecificFirst).flatMap(parseNetwork);
  const table = new Map<string, string>();
  const placeholders = [
    ...apiHosts.map((value) => ({ value: value.trim(), placeholder: "<CLUSTER_DOMAIN_HOST>" })),
    { value: baseDomain.trim(), placeholder: "<CLUSTER_BASE_DOMAIN>" },
  ]
    .filter(({ value }) => value !== "")
    .sort((a, b) => b.value.length - a.value.length);
  return (text) => {
    let hidden = text;
    for (const { value, placeholder } of placeholders) hidden = hidden.replaceAll(value, () => placeholder);
    return hidden.replace(addressOrNetwork, (found) => table.get(found) ?? replacementOf(found, known, table));
  };
}

/** Remembers only what counts: addresses of no network may be many. */
function replacementOf(found: string, networks: readonly Network[], table: Map<string, string>): string {
  const address = parseAddress(found);
  if (address === undefined) return found;
  const network = networks.find(({ first, size }) => address >= first && address < first + size);
  if (network === undefined) return "0.0.0.0";
  if (network.first === address) return found;
  network.used = (network.used + 1) % network.size;
  const replacement = textOf(network.first + network.used);
  table.set(found, replacement);
  return replacement;
}

/** Undefined for networks, and for a leading zero, which makes it no address. */
function parseAddress(text: string): number | undefined {
  if (text.includes("/") || /(?:^|\.)0[0-9]/.test(text)) return undefined;
  return text.split(".").reduce((value, part) => value * 256 + Number(part), 0);
}

function textOf(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join(".");
}

const notation = new RegExp(`^(?:${octet}\\.){3}${octet}/(?:[12]?[0-9]|3[0-2])$`);

function parseNetwork(text: string): readonly Network[] {
  const [address = "", bits = ""] = text.split("/");
  const value = notation.test(text) ? parseAddress(address) : undefined;
  if (value === undefined) return [];
  const size = 2 ** (32 - Number(bits));
  return [{ first: value - (value % size), size, used: 0 }];
}

/** The existing gatherer compares prefix lengths as text, and then addresses as text. */
function moreSpecificFirst(a: string, b: string): number {
  const [addressA = "", bitsA = ""] = a.split("/");
  const [addressB = "", bitsB = ""] = b.split("/");
  if (bitsA !== bitsB) return bitsA > bitsB ? -1 : 1;
  return addressA === addressB ? 0 : addressA > addressB ? -1 : 1;
}
