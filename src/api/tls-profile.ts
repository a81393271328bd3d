/** The cluster's TLS profile (APIServer `cluster`), in the words of Go's servers. */
import { z } from "zod";

export interface ServerTls {
  /** E.g. `VersionTLS12`. */
  readonly minVersion: string;
  /** IANA names, those only that Go implements. */
  readonly cipherSuites: readonly string[];
}

const modern = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];

const intermediate: Readonly<Record<string, string>> = {
  "ECDHE-ECDSA-AES128-GCM-SHA256": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384": "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305": "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
  "ECDHE-RSA-CHACHA20-POLY1305": "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
};

const old: Readonly<Record<string, string>> = {
  "ECDHE-ECDSA-AES128-SHA256": "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
  "ECDHE-RSA-AES128-SHA256": "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
  "ECDHE-ECDSA-AES128-SHA": "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
  "ECDHE-RSA-AES128-SHA": "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
  "ECDHE-ECDSA-AES256-SHA": "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
  "ECDHE-RSA-AES256-SHA": "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
  "AES128-GCM-SHA256": "TLS_RSA_WITH_AES_128_GCM_SHA256",
  "AES256-GCM-SHA384": "TLS_RSA_WITH_AES_256_GCM_SHA384",
  "AES128-SHA256": "TLS_RSA_WITH_AES_128_CBC_SHA256",
  "AES128-SHA": "TLS_RSA_WITH_AES_128_CBC_SHA",
  "AES256-SHA": "TLS_RSA_WITH_AES_256_CBC_SHA",
  "DES-CBC3-SHA": "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
};

const byOpenSslName: Readonly<Record<string, string>> = {
  ...Object.fromEntries(modern.map((name) => [name, name])),
  ...intermediate,
  ...old,
};

const versions = ["VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13"] as const;

/** What holds on a cluster that says nothing. */
export const intermediateTls: ServerTls = {
  minVersion: "VersionTLS12",
  cipherSuites: [...modern, ...Object.values(intermediate)],
};

const apiServerSchema = z.object({
  spec: z
    .object({
      tlsSecurityProfile: z
        .object({
          type: z.string().nullish(),
          custom: z
            .object({ minTLSVersion: z.enum(versions).nullish().catch(null), ciphers: z.array(z.string()).nullish() })
            .nullish(),
        })
        .nullish(),
    })
    .nullish(),
});

/** Of an APIServer object; what it does not say, or says in unknown words, is Intermediate. */
export function decodeServerTls(apiServer: unknown): ServerTls {
  const decoded = apiServerSchema.safeParse(apiServer);
  const profile = decoded.success ? decoded.data.spec?.tlsSecurityProfile : undefined;
  switch (profile?.type) {
    case "Old":
      return { minVersion: "VersionTLS10", cipherSuites: [...intermediateTls.cipherSuites, ...Object.values(old)] };
    case "Modern":
      return { minVersion: "VersionTLS13", cipherSuites: modern };
    case "Custom": {
      if (profile.custom === undefined || profile.custom === null) return intermediateTls;
      const { minTLSVersion, ciphers } = profile.custom;
      const known = (ciphers ?? []).map((name) => byOpenSslName[name]).filter((name) => name !== undefined);
      return {
        minVersion: minTLSVersion ?? intermediateTls.minVersion,
        cipherSuites: known.length === 0 ? intermediateTls.cipherSuites : [...new Set(known)],
      };
    }
    default:
      return intermediateTls;
  }
}
