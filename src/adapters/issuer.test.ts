import { createServer } from "node:https";
import { Agent, request } from "undici";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { inspect, isPair, issueCa, issueServing, splitPem } from "./issuer.ts";

const nowMs = Date.now();
const names = ["a.b.svc", "a.b.svc.cluster.local"];

test("an issued certificate serves TLS to a client that trusts the CA and checks the name, and to no other", async () => {
  const ca = await issueCa(nowMs);
  const other = await issueCa(nowMs);
  const { certificate: cert, key } = await issueServing(ca, names, nowMs);
  const server = createServer({ cert, key }, (_, response) => response.end("hello"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const ask = async (trusted: string, servername: string): Promise<string> => {
    const dispatcher = new Agent({ connect: { ca: trusted, servername } });
    try {
      return await (await request(`https://127.0.0.1:${port}/`, { dispatcher })).body.text();
    } catch (cause) {
      return cause instanceof Error && "code" in cause ? String(cause.code) : "?";
    } finally {
      await dispatcher.destroy();
    }
  };
  assert.is(await ask(ca.certificate, "a.b.svc"), "hello");
  assert.is(await ask(other.certificate + ca.certificate, "a.b.svc"), "hello");
  assert.is(await ask(ca.certificate, "c.b.svc"), "ERR_TLS_CERT_ALTNAME_INVALID");
  assert.not.equal(await ask(other.certificate, "a.b.svc"), "hello");
  await new Promise((resolve) => server.close(resolve));
});

test("what was issued is read back: names, times, issuer", async () => {
  const ca = await issueCa(nowMs);
  const other = await issueCa(nowMs);
  const serving = await issueServing(ca, names, nowMs);
  const read = inspect(serving.certificate, [other.certificate, ca.certificate]);
  assert.equal(read?.dnsNames, names);
  assert.is(read?.issuer, inspect(ca.certificate, [])?.fingerprint);
  assert.ok(read !== undefined && read.notBeforeMs < nowMs && read.notAfterMs > nowMs);
  assert.is(inspect(serving.certificate, [other.certificate])?.issuer, undefined);
});

test("a damaged certificate, a key of another and an empty text are told apart from good ones", async () => {
  const ca = await issueCa(nowMs);
  const other = await issueCa(nowMs);
  assert.is(isPair(ca), true);
  assert.is(isPair({ certificate: ca.certificate, key: other.key }), false);
  assert.is(isPair({ certificate: "", key: "" }), false);
  assert.is(inspect("nonsense", []), undefined);
  const damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  assert.equal(splitPem(`# a comment\n${ca.certificate}${damaged}${other.certificate}`), [
    ca.certificate,
    other.certificate,
  ]);
});

test.run();
