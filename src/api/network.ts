/** OpenShift's configuration of the cluster's network, as far as an archive must not tell of it. */
import { z } from "zod";

const texts = z
  .array(z.string())
  .nullish()
  .transform((value) => value ?? []);

/** The address ranges that `networks.config.openshift.io` names. */
export const networkConfigSchema = z
  .object({
    spec: z
      .object({
        clusterNetwork: z.array(z.object({ cidr: z.string() })).nullish(),
        serviceNetwork: texts,
        externalIP: z
          .object({
            autoAssignCIDRs: texts,
            policy: z.object({ allowedCIDRs: texts, rejectedCIDRs: texts }).nullish(),
          })
          .nullish(),
      })
      .nullish(),
  })
  .transform(({ spec }) => [
    ...(spec?.clusterNetwork ?? []).map(({ cidr }) => cidr),
    ...(spec?.serviceNetwork ?? []),
    ...(spec?.externalIP?.autoAssignCIDRs ?? []),
    ...(spec?.externalIP?.policy?.allowedCIDRs ?? []),
    ...(spec?.externalIP?.policy?.rejectedCIDRs ?? []),
  ]);

/** The domain that `dnses.config.openshift.io` names; empty when it names none. */
export const dnsConfigSchema = z
  .object({ spec: z.object({ baseDomain: z.string().nullish() }).nullish() })
  .transform(({ spec }) => spec?.baseDomain ?? "");

/** The hosts of the API that `infrastructures.config.openshift.io` names. */
export const infrastructureSchema = z
  .object({
    status: z.object({ apiServerURL: z.string().nullish(), apiServerInternalURI: z.string().nullish() }).nullish(),
  })
  .transform(({ status }) =>
    [status?.apiServerURL, status?.apiServerInternalURI].flatMap((url) => {
      const host = URL.parse(url ?? "")?.hostname ?? "";
      return host === "" ? [] : [host];
    }),
  );
