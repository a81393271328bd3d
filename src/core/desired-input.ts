/** What the desired objects are made from, and what each is before owner and labels are on it. */
import type { Settings } from "../api/config.ts";
import type { ServerTls } from "../api/tls-profile.ts";
import type { ServingName } from "./certificates.ts";
import type { OperandKind, Side } from "./operands.ts";

export interface Images {
  readonly extractor: string;
  readonly exporter: string;
  readonly proxy: string;
  readonly gatherer: string;
}

export interface KeyPair {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS 8. */
  readonly key: string;
}

/** What clients trust, and the key behind it. */
export interface Authority {
  /** Undefined where none of ours is needed. */
  readonly ca: KeyPair | undefined;
  /** PEM of every CA that clients must trust now; undefined while none is known. */
  readonly bundle: string | undefined;
}

export interface DesiredInput {
  readonly namespace: string;
  readonly configUid: string;
  /** Uid of each side's service account: tokens of one that was made anew are worth nothing to the pods that run. */
  readonly accountUids: Readonly<Record<Side, string>>;
  readonly images: Images;
  readonly settings: Settings;
  /** The cluster's TLS profile, which the proxies obey. */
  readonly tls: ServerTls;
  /** Whose certificates OpenShift's service CA makes. */
  readonly servedByServiceCa: ReadonlySet<ServingName>;
  /** Of `optionalKinds`, those that the cluster does not serve. */
  readonly unserved: ReadonlySet<OperandKind>;
  /** The class of pods that may displace others but not the cluster's own; undefined where the cluster has none. */
  readonly priorityClass: string | undefined;
  /** Names of Secrets by which each side's images are pulled. Empty: those of its service account. */
  readonly pullSecrets: Readonly<Record<Side, readonly string[]>>;
}

/** An object before main's own labels and owner are on it. */
export interface Draft {
  readonly kind: OperandKind;
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Everything beside kind and metadata. */
  readonly body: Readonly<Record<string, unknown>>;
}
