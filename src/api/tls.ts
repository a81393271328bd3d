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

/** The PEM text of a CA bundle; undefined when the ConfigMap has none. */
export function decodePem(configMap: unknown): string | undefined {
  const decoded = bundleSchema.safeParse(configMap);
  return decoded.success ? decoded.data.data["ca.crt"] : undefined;
}
