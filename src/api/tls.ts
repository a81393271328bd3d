/** Certificates as Secrets and ConfigMaps hold them. */
import { z } from "zod";

const secretSchema = z.object({ data: z.object({ "tls.crt": z.base64(), "tls.key": z.base64() }) });
const bundleSchema = z.object({ data: z.object({ "ca.crt": z.string() }) });

/** Certificate and key of a TLS Secret in PEM; undefined when it has none. */
export function decodeKeyPair(secret: unknown): { readonly certificate: string; readonly key: string } | undefined {
  const decoded = secretSchema.safeParse(secret);
  if (!decoded.success) return undefined;
  const { "tls.crt": certificate, "tls.key": key } = decoded.data.data;
  return { certificate: atob(certificate), key: atob(key) };
}

const serviceCaSchema = z.object({
  metadata: z.object({ annotations: z.object({ "service.beta.openshift.io/inject-cabundle": z.literal("true") }) }),
  data: z.object({ "service-ca.crt": z.string().optional() }).nullish(),
});

/** The PEM text of OpenShift's service CA, empty while it has not been filled in; undefined when the ConfigMap is not one that it fills. */
export function decodeServiceCa(configMap: unknown): string | undefined {
  const decoded = serviceCaSchema.safeParse(configMap);
  return decoded.success ? (decoded.data.data?.["service-ca.crt"] ?? "") : undefined;
}

/** The PEM text of a CA bundle; undefined when the ConfigMap has none. */
export function decodePem(configMap: unknown): string | undefined {
  const decoded = bundleSchema.safeParse(configMap);
  return decoded.success ? decoded.data.data["ca.crt"] : undefined;
}
