/** The objects of both sides as the tests of this folder look at them. */
import { defaultSettings } from "../api/config.ts";
import type { KubeObject } from "../api/object.ts";
import { desiredGathererSide, desiredNodeSide } from "./desired.ts";
import type { DesiredInput } from "./desired-input.ts";

export const serving = { certificate: "CERT", key: "KEY" };
export const authority = { ca: { certificate: "CA", key: "CAKEY" }, bundle: "CA" };

export const inputOf = (changes: Partial<DesiredInput> = {}): DesiredInput => ({
  namespace: "ns",
  configUid: "uid-1",
  accountUids: { node: "uid-2", gatherer: "uid-3" },
  images: { extractor: "e:1", exporter: "x:1", proxy: "p:1", gatherer: "g:1" },
  settings: defaultSettings,
  tls: { minVersion: "VersionTLS13", cipherSuites: ["A", "B"] },
  unserved: new Set(),
  servedByServiceCa: new Set(),
  priorityClass: undefined,
  pullSecrets: { node: [], gatherer: [] },
  ...changes,
});

export const both = (input: DesiredInput): readonly KubeObject[] => [
  ...desiredGathererSide(input, authority, serving),
  ...desiredNodeSide(input, serving),
];
