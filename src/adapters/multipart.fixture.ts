/** Uploads as a receiver reads them, by a parser that is not the one that wrote them. */
import type { IncomingMessage } from "node:http";
import { Busboy } from "@fastify/busboy";

export interface Part {
  readonly name: string;
  readonly fileName: string;
  readonly type: string;
  readonly bytes: Buffer;
}

/** The files of a multipart request in their order; a field that is no file is refused. */
export function readParts(request: IncomingMessage): Promise<readonly Part[]> {
  const { "content-type": type = "", ...headers } = request.headers;
  return new Promise((resolve, reject) => {
    const found: Part[] = [];
    const busboy = new Busboy({ headers: { ...headers, "content-type": type } });
    busboy.on("file", (name, stream, fileName, _encoding, contentType) => {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => found.push({ name, fileName, type: contentType, bytes: Buffer.concat(chunks) }));
    });
    busboy.on("field", (name) => reject(new Error(`field ${name} is no file`)));
    busboy.on("finish", () => resolve(found));
    busboy.on("error", reject);
    request.pipe(busboy);
  });
}
