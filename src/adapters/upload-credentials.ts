/** What an upload needs of the operator's own namespace: the token, and certificates to trust beside the public ones. */
import { z } from "zod";
import type { UploadSettings } from "../api/config.ts";
import { fieldManager } from "../api/object.ts";
import { type Decoded, decodeBundle, decodeToken } from "../api/upload.ts";
import { managedByLabel } from "../core/operands.ts";
import type { Api } from "./connection.ts";
import { describe } from "./patience.ts";

export type UploadCredentials = {
  /** Changes when one of the objects does; says nothing of what is in them. */
  readonly fingerprint: string;
} & (
  | { readonly kind: "found"; readonly token: string; readonly ca: string | undefined }
  | { readonly kind: "missing"; readonly reason: "NoToken" | "NoTrust"; readonly message: string }
);

const objectSchema = z.object({ metadata: z.object({ uid: z.string(), resourceVersion: z.string() }) });

interface Found {
  readonly decoded: Decoded;
  readonly version: string;
}

/** Reads both anew; what is wrong with them is a value that names the object and never says what is in it. Throws when the API server cannot tell. */
export async function readUploadCredentials(
  api: Api,
  namespace: string,
  { tokenSecretRef, caConfigMapRef }: UploadSettings,
): Promise<UploadCredentials> {
  const read = async (plural: string, name: string, decode: (body: unknown) => Decoded): Promise<Found> => {
    const answer = await api.call({ path: `/api/v1/namespaces/${namespace}/${plural}/${name}` });
    if (answer.status === 404) return { decoded: { kind: "unusable", why: "is not there" }, version: "absent" };
    if (answer.status === 403) return { decoded: { kind: "unusable", why: "may not be read" }, version: "forbidden" };
    if (answer.status !== 200) throw new Error(`reading ${plural} ${namespace}/${name}: ${describe(answer)}`);
    const { uid, resourceVersion } = objectSchema.parse(answer.body).metadata;
    return { decoded: decode(answer.body), version: `${uid}/${resourceVersion}` };
  };
  const secret = await read("secrets", tokenSecretRef.name, (body) =>
    decodeToken(body, tokenSecretRef.key, [managedByLabel, fieldManager]),
  );
  const bundle =
    caConfigMapRef === undefined
      ? undefined
      : await read("configmaps", caConfigMapRef.name, (body) => decodeBundle(body, caConfigMapRef.key));
  const fingerprint = `${secret.version} ${bundle?.version ?? ""}`;
  if (secret.decoded.kind === "unusable") {
    const message = `Secret ${namespace}/${tokenSecretRef.name} ${secret.decoded.why}`;
    return { kind: "missing", reason: "NoToken", message, fingerprint };
  }
  if (bundle?.decoded.kind === "unusable") {
    const message = `ConfigMap ${namespace}/${caConfigMapRef?.name} ${bundle.decoded.why}`;
    return { kind: "missing", reason: "NoTrust", message, fingerprint };
  }
  return { kind: "found", token: secret.decoded.text, ca: bundle?.decoded.text, fingerprint };
}
