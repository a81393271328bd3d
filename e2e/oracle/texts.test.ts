/** Single texts: normaliser, hash, digest and escaping agree with Go's own JSON, white space and regular expressions. */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { normalizeArgument } from "../../src/core/argument.ts";
import { digestOf } from "../../src/core/digest.ts";
import { obfuscate } from "../../src/core/hash.ts";
import { goJson } from "../../src/core/json.ts";
import { Oracle } from "./oracle.ts";

const seed = Number(process.env.SEED ?? 20_261_121);
const count = Number(process.env.RUNS ?? 150) * 100;

const oracle = new Oracle();
test.after(() => oracle.remove());

const units = fc
  .array(fc.oneof(fc.nat(0x7f), fc.nat(0xffff), fc.constantFrom(0x85, 0xa0, 0x2028, 0x2029, 0x3000, 0xfeff, 0xd800)))
  .map((codes) => String.fromCharCode(...codes));
const pieces = (...all: readonly string[]) =>
  fc.array(fc.constantFrom(...all), { maxLength: 10 }).map((parts) => parts.join(""));
const argument = pieces(" ", "/", "\\", "-", "--", "=", "\t", "\n", "\u00a0", "\u0085", "\ufeff", "\u2003", "a", "b.c");
/** Mostly right, so that what is wrong is wrong in one place. */
const mostly = (right: readonly string[], wrong: readonly string[]) =>
  fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...right) }, { weight: 1, arbitrary: fc.constantFrom(...wrong) });
const hex = (length: number) => "0123456789abcdefABCDEF".repeat(8).slice(0, length);
const address = mostly(
  [`@sha256:${hex(64)}`, `@sha384:${hex(96)}`, `@sha512:${hex(128)}`],
  [`@sha256:${hex(63)}`, `@sha512:${hex(64)}`, `@SHA256:${hex(64)}`, `@a+b:${hex(32)}`, "@sha256:", `@${hex(64)}`, ""],
);
const host = mostly(
  ["", "quay.example/", "Q/", "a-b.c:5000/", "1.2.3.4/"],
  ["-a/", "a-/", "a..b/", "a_b/", ":1/", "[::1]/", "/"],
);
const components = fc
  .array(
    mostly(["a", "0", "team/", "a.b", "a_b", "a__b", "a---b", "b/c"], ["A", ".", "_", "___", "/", "-", "\u00e9"]),
    {
      minLength: 1,
      maxLength: 4,
    },
  )
  .map((parts) => parts.join(""));
const tag = mostly(["", "", ":v1", ":V_1.2-x", `:${"t".repeat(128)}`], [":", ":-", `:${"t".repeat(129)}`, ":a:b"]);
const reference = fc
  .tuple(
    mostly([""], [" ", "docker-pullable://"]),
    host,
    components,
    tag,
    address,
    mostly([""], [" ", "\n", `@sha256:${hex(64)}`]),
  )
  .map((parts) => parts.join(""));

test(`${count} texts drawn with seed ${seed}: equal results`, () => {
  const all = fc.sample(fc.oneof(units, argument, reference), { seed, numRuns: count });
  const facts = z.object({ argument: z.string(), hash: z.string(), digest: z.string(), json: z.string() });
  const expected = oracle.ask(all, facts, ["texts"]);
  let digests = 0;
  for (const [index, one] of all.entries()) {
    const ours = {
      argument: normalizeArgument(one).toWellFormed(),
      hash: obfuscate(one),
      digest: digestOf(one),
      json: goJson(one),
    };
    assert.equal(ours, expected[index], `text ${index} of seed ${seed}: ${JSON.stringify(one)}`);
    if (ours.digest !== "") digests += 1;
  }
  assert.ok(digests > count / 20, `${digests} of the texts have a digest`);
});

test.run();
