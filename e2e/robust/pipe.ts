/** A TCP connection's middle: bytes pass both ways, TLS and all, until the pipe freezes. */
import { connect, createServer, type Server, type Socket } from "node:net";

export class Pipe {
  /** Connections so far. */
  opened = 0;
  readonly #pairs = new Map<Socket, Socket>();
  readonly #server: Server;

  private constructor(port: number) {
    this.#server = createServer((client) => {
      this.opened += 1;
      const upstream = connect(port, "127.0.0.1");
      this.#pairs.set(client, upstream);
      const end = () => {
        this.#pairs.delete(client);
        client.destroy();
        upstream.destroy();
      };
      for (const socket of [client, upstream]) socket.on("error", end).on("close", end);
      client.pipe(upstream).pipe(client);
    });
  }

  /** To that port of this machine, from a free one. */
  static async start(port: number): Promise<Pipe> {
    const pipe = new Pipe(port);
    await new Promise<void>((resolve) => pipe.#server.listen(0, "127.0.0.1", resolve));
    return pipe;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** Nothing comes out of the present connections any more, and neither side learns why; new ones work. */
  freeze(): void {
    for (const pair of this.#pairs) {
      const [client, upstream] = pair;
      client.unpipe(upstream).pause();
      upstream.unpipe(client).pause();
    }
  }

  stop(): void {
    this.#server.close();
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }
}
