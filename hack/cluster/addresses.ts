/** Every address and name of a cluster follows from its index, so that clusters live side by side. */

/** Indexes run from 0 to maxClusters - 1. */
export const maxClusters = 64;
export const maxNodes = 9;

export interface Addresses {
  /** All nodes, the control plane and this machine. */
  readonly subnet: string;
  readonly host: string;
  readonly apiServer: string;
  readonly services: string;
  readonly kubernetesService: string;
  readonly dnsService: string;
  readonly pods: string;
  /** The interface on this machine that leads to the cluster. */
  readonly hostInterface: string;
}

export interface NodeAddresses {
  readonly name: string;
  readonly address: string;
  readonly pods: string;
}

export function addresses(index: number): Addresses {
  return {
    subnet: `172.30.${index}.0/24`,
    host: `172.30.${index}.254`,
    apiServer: `172.30.${index}.1`,
    services: `10.96.${index}.0/24`,
    kubernetesService: `10.96.${index}.1`,
    dnsService: `10.96.${index}.10`,
    pods: `10.${128 + index}.0.0/16`,
    hostInterface: `ri-${index}`,
  };
}

/** The nodes of a cluster; `number` counts from 1. */
export function nodeAddresses(index: number, number: number): NodeAddresses {
  return {
    name: `node-${number}`,
    address: `172.30.${index}.${10 + number}`,
    pods: `10.${128 + index}.${number}.0/24`,
  };
}
