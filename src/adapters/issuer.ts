/** Reads and issues X.509 certificates: ECDSA P-256, signed by a CA whose key is at hand. */
import "reflect-metadata";
import { createPrivateKey, randomBytes, type webcrypto, X509Certificate } from "node:crypto";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { backdateMs, type Certificate, caLifetimeMs, servingLifetimeMs } from "../core/certificates.ts";
import type { KeyPair } from "../core/desired-input.ts";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** The certificates of a PEM text in their order; text between and damaged ones are left out. */
export function splitPem(text: string): readonly string[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.filter((block) => parse(block) !== undefined).map((block) => `${block}\n`);
}

/** What the certificate plan needs to know of the first certificate; undefined when there is none. */
export function inspect(pem: string, trusted: readonly string[]): Certificate | undefined {
  const certificate = parse(pem);
  if (certificate === undefined) return undefined;
  const issuer = trusted.map(parse).find((ca) => ca !== undefined && isSignedBy(certificate, ca));
  return {
    fingerprint: certificate.fingerprint256,
    notBeforeMs: certificate.validFromDate.getTime(),
    notAfterMs: certificate.validToDate.getTime(),
    dnsNames: [...(certificate.subjectAltName ?? "").matchAll(/DNS:([^,\s]+)/g)].map(([, name]) => name ?? ""),
    issuer: issuer?.fingerprint256,
  };
}

/** True when the key belongs to the certificate. */
export function isPair({ certificate, key }: KeyPair): boolean {
  try {
    return parse(certificate)?.checkPrivateKey(createPrivateKey(key)) ?? false;
  } catch {
    return false;
  }
}

/** A new authority, good for signing serving certificates only. */
export async function issueCa(nowMs: number): Promise<KeyPair> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const serialNumber = serial();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber,
    // The name differs from CA to CA, so that clients that hold two of them try the right one.
    name: `CN=runtime-insights-ca-${serialNumber.slice(0, 8)}`,
    notBefore: new Date(nowMs - backdateMs),
    notAfter: new Date(nowMs + caLifetimeMs),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: `${certificate.toString("pem")}\n`, key: await keyPem(keys.privateKey) };
}

/** A certificate for TLS servers of those names, with a key of its own. */
export async function issueServing(ca: KeyPair, dnsNames: readonly string[], nowMs: number): Promise<KeyPair> {
  const signingKey = await crypto.subtle.importKey("pkcs8", PemConverter.decodeFirst(ca.key), algorithm, false, [
    "sign",
  ]);
  const authority = parse(ca.certificate);
  if (authority === undefined) throw new Error("issuing a serving certificate: the CA's certificate cannot be read");
  const caKey = await crypto.subtle.importKey(
    "spki",
    authority.publicKey.export({ format: "der", type: "spki" }),
    algorithm,
    true,
    ["verify"],
  );
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: `CN=${dnsNames[0] ?? ""}`,
    issuer: authority.subject.split("\n").join(", "),
    notBefore: new Date(nowMs - backdateMs),
    notAfter: new Date(Math.min(nowMs + servingLifetimeMs, authority.validToDate.getTime())),
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(dnsNames.map((value) => ({ type: "dns" as const, value }))),
      await AuthorityKeyIdentifierExtension.create(caKey),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: `${certificate.toString("pem")}\n`, key: await keyPem(keys.privateKey) };
}

/** 127 random bits, positive. */
function serial(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0] ?? 0) & 0x7f;
  return bytes.toString("hex");
}

async function keyPem(key: webcrypto.CryptoKey): Promise<string> {
  return `${PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY")}\n`;
}

function parse(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function isSignedBy(certificate: X509Certificate, ca: X509Certificate): boolean {
  return certificate.checkIssued(ca) && certificate.verify(ca.publicKey);
}
