/** A scripted stand-in for the API server, for what a healthy one does not show: broken pages, expired listings, missing kinds. */
import { createServer } from "node:http";
import { Connection } from "./connection.ts";

export interface ScriptedAnswer {
  readonly status?: number;
  readonly body: unknown;
}

/** What is asked for: the path, and the query as sorted `name=value`. */
export type Script = (path: string, query: URLSearchParams) => ScriptedAnswer | "cut off" | undefined;

export interface ScriptedApi {
  readonly connection: Connection;
  /** Path and query of each request so far. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

/** Answers 404 to whatever the script leaves undefined. */
export async function scriptedApi(script: Script): Promise<ScriptedApi> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://localhost");
    requests.push(decodeURIComponent(`${url.pathname}${url.search}`));
    const answer = script(url.pathname, url.searchParams) ?? { status: 404, body: { message: "not found" } };
    if (answer === "cut off") return response.destroy();
    response.writeHead(answer.status ?? 200, { "content-type": "application/json" });
    response.end(JSON.stringify(answer.body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the server has no port");
  const connection = new Connection();
  connection.loadFromClusterAndUser(
    { name: "scripted", server: `http://127.0.0.1:${address.port}`, skipTLSVerify: true },
    { name: "nobody" },
  );
  return {
    connection,
    requests,
    close: async () => {
      await connection.close();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
