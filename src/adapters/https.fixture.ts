/** A CA and HTTPS servers for tests; the keys live as long as the process. */
import "reflect-metadata";
import type { RequestListener } from "node:http";
import { createServer, type ServerOptions } from "node:https";
import type { Socket } from "node:net";
import {
  BasicConstraintsExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const hour = 3_600_000;

export interface Authority {
  readonly ca: string;
  certificate(name: string, validity?: Validity): Promise<{ readonly cert: string; readonly key: string }>;
}

export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export async function makeAuthority(): Promise<Authority> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const now: Validity = { notBefore: new Date(Date.now() - hour), notAfter: new Date(Date.now() + hour) };
  const root = await X509CertificateGenerator.createSelfSigned({
    name: "CN=test CA",
    keys,
    signingAlgorithm: algorithm,
    ...now,
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
  });
  return {
    ca: root.toString("pem"),
    certificate: async (name, validity = now) => {
      const own = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
      const certificate = await X509CertificateGenerator.create({
        subject: `CN=${name}`,
        issuer: root.subject,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        ...validity,
        extensions: [new SubjectAlternativeNameExtension([{ type: "dns", value: name }])],
      });
      const key = PemConverter.encode(await crypto.subtle.exportKey("pkcs8", own.privateKey), "PRIVATE KEY");
      return { cert: certificate.toString("pem"), key };
    },
  };
}

export interface HttpsServer {
  readonly port: number;
  /** Open connections. */
  connections(): number;
  close(): Promise<void>;
}

/** Listens on 127.0.0.1 unless told otherwise. */
export async function serveHttps(
  options: ServerOptions,
  listener: RequestListener,
  host = "127.0.0.1",
  port = 0,
): Promise<HttpsServer> {
  const server = createServer(options, listener);
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the server has no port");
  return {
    port: address.port,
    connections: () => sockets.size,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
