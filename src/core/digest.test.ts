import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { digestOf, digestOfStatus } from "./digest.ts";

const sha256 = `sha256:${"0123456789abcdef".repeat(4)}`;
const sha384 = `sha384:${"0123456789abcdef".repeat(6)}`;
const sha512 = `sha512:${"0123456789abcdef".repeat(8)}`;
const upper = `sha256:${"ABCDEF0123456789".repeat(4)}`;

const rows: readonly { readonly rule: string; readonly reference: string; readonly digest: string }[] = [
  { rule: "name and digest", reference: `quay.example/team/app@${sha256}`, digest: sha256 },
  { rule: "name, tag and digest", reference: `quay.example/team/app:v1.2@${sha256}`, digest: sha256 },
  { rule: "host with port", reference: `localhost:5000/app:v1@${sha256}`, digest: sha256 },
  { rule: "no host", reference: `app@${sha256}`, digest: sha256 },
  { rule: "sha384", reference: `app@${sha384}`, digest: sha384 },
  { rule: "sha512", reference: `app@${sha512}`, digest: sha512 },
  { rule: "upper-case hex digits are kept", reference: `app@${upper}`, digest: upper },
  { rule: "upper case in the host is fine", reference: `Quay.Example/app@${sha256}`, digest: sha256 },
  { rule: "upper case in the path is not", reference: `quay.example/App@${sha256}`, digest: "" },
  { rule: "separators inside a component", reference: `a.b_c__d--e@${sha256}`, digest: sha256 },
  { rule: "three underscores are no separator", reference: `a___b@${sha256}`, digest: "" },
  { rule: "two dots are no separator", reference: `quay.example/a..b@${sha256}`, digest: "" },
  { rule: "a component does not end in a separator", reference: `quay.example/a-@${sha256}`, digest: "" },
  { rule: "an empty component", reference: `quay.example//a@${sha256}`, digest: "" },
  { rule: "an address as host is not in the grammar", reference: `[::1]:5000/app@${sha256}`, digest: "" },
  { rule: "tag only", reference: "quay.example/team/app:v1", digest: "" },
  { rule: "name only", reference: "app", digest: "" },
  { rule: "a digest alone reads as name and tag", reference: sha256, digest: "" },
  { rule: "a digest without a name", reference: `@${sha256}`, digest: "" },
  { rule: "a scheme in front", reference: `docker-pullable://app@${sha256}`, digest: "" },
  { rule: "blanks around it", reference: ` app@${sha256}`, digest: "" },
  { rule: "a newline at the end", reference: `app@${sha256}\n`, digest: "" },
  { rule: "too few digits", reference: `app@${sha256.slice(0, -1)}`, digest: "" },
  { rule: "too many digits", reference: `app@${sha256}0`, digest: "" },
  { rule: "another algorithm", reference: `app@md5:${"0".repeat(32)}`, digest: "" },
  { rule: "an algorithm in upper case", reference: `app@${sha256.replace("sha", "SHA")}`, digest: "" },
  { rule: "two digests", reference: `app@${sha256}@${sha256}`, digest: "" },
  { rule: "a name of 255 characters", reference: `${"a".repeat(255)}@${sha256}`, digest: sha256 },
  { rule: "a name of 256 characters", reference: `${"a".repeat(256)}@${sha256}`, digest: "" },
  { rule: "a tag of 128 characters", reference: `app:${"t".repeat(128)}@${sha256}`, digest: sha256 },
  { rule: "a tag of 129 characters", reference: `app:${"t".repeat(129)}@${sha256}`, digest: "" },
  { rule: "nothing", reference: "", digest: "" },
];
for (const { rule, reference, digest } of rows)
  test(`${rule}: ${digest === "" ? "no digest" : "digest"}`, () => assert.is(digestOf(reference), digest));

test("of a status one leading docker-pullable:// is removed, a second is not", () => {
  assert.is(digestOfStatus(`docker-pullable://app@${sha256}`), sha256);
  assert.is(digestOfStatus(`app@${sha256}`), sha256);
  assert.is(digestOfStatus(`docker-pullable://docker-pullable://app@${sha256}`), "");
  assert.is(digestOfStatus(`docker://app@${sha256}`), "");
});

const isOf = (alphabet: string, text: string) => text !== "" && [...text].every((one) => alphabet.includes(one));
const lower = "abcdefghijklmnopqrstuvwxyz0123456789";
const letters = `${lower}ABCDEFGHIJKLMNOPQRSTUVWXYZ`;

/** Reads a component from left to right: runs of letters with a separator between each two. */
function isComponent(text: string): boolean {
  const runs: string[] = [];
  for (const one of text) {
    const isLetter = lower.includes(one);
    const last = runs.at(-1);
    if (last !== undefined && lower.includes(last.charAt(0)) === isLetter) runs[runs.length - 1] = last + one;
    else runs.push(one);
  }
  const isSeparator = (run: string) => [".", "_", "__"].includes(run) || isOf("-", run);
  return runs.length % 2 === 1 && runs.every((run, index) => (index % 2 === 0 ? isOf(lower, run) : isSeparator(run)));
}

function isHost(text: string): boolean {
  const [name = "", port = "0", ...more] = text.split(":");
  const isLabel = (label: string) => isOf(`${letters}-`, label) && !label.startsWith("-") && !label.endsWith("-");
  return more.length === 0 && isOf("0123456789", port) && name.split(".").every(isLabel);
}

/** The grammar, told without a regular expression. */
function expectedDigest(reference: string): string {
  const [nameAndTag = "", address = "", ...more] = reference.split("@");
  const [algorithm = "", hex = "", ...rest] = address.split(":");
  const length = { sha256: 64, sha384: 96, sha512: 128 }[algorithm];
  if (more.length > 0 || rest.length > 0 || hex.length !== length || !isOf("0123456789abcdefABCDEF", hex)) return "";
  const slash = nameAndTag.lastIndexOf("/") + 1;
  const [last = "", ...tags] = nameAndTag.slice(slash).split(":");
  const [tag = "x"] = tags;
  const isTag = isOf(`${letters}_`, tag.charAt(0)) && isOf(`${letters}_.-`, tag) && tag.length <= 128;
  if (tags.length > 1 || !isTag) return "";
  const name = nameAndTag.slice(0, slash) + last;
  const [first = "", ...path] = name.split("/");
  const isFirst = isComponent(first) || (path.length > 0 && isHost(first));
  return name.length <= 255 && isFirst && path.every(isComponent) ? address : "";
}

/** Valid references, some of them with one character changed. */
const part = fc.stringMatching(/^[a-z0-9]{1,3}(?:(?:\.|_|__|-{1,3})[a-z0-9]{1,2}){0,2}$/);
const references = fc
  .record({
    host: fc.constantFrom("", "quay.example/", "Q-1.x:5000/", "localhost:80/", "[::1]/"),
    path: fc.array(part, { minLength: 1, maxLength: 3 }),
    tag: fc.constantFrom("", "", ":v1", ":V_1.2-x"),
    address: fc.constantFrom(sha256, sha384, sha512, upper),
    at: fc.nat(400),
    change: fc.option(fc.constantFrom("", "A", "-", "_", ".", "/", ":", "@", "g", " ", "\n", "\u00e9")),
  })
  .map(({ host, path, tag, address, at, change }) => {
    const reference = `${host}${path.join("/")}${tag}@${address}`;
    const place = at % reference.length;
    return change === null ? reference : reference.slice(0, place) + change + reference.slice(place + 1);
  });

test("what is drawn around the grammar is judged as the grammar, told in another way, judges it", () => {
  let digests = 0;
  fc.assert(
    fc.property(references, (reference) => {
      const expected = expectedDigest(reference);
      assert.is(digestOf(reference), expected, JSON.stringify(reference));
      if (expected !== "") digests += 1;
    }),
    { numRuns: 3_000 },
  );
  assert.ok(digests > 300, `${digests} of 3000 have a digest`);
});

test("hostile references end, as they would not in exponential time", () => {
  for (const part of ["a", "a-", "a.", "a_", "-", "a/", "A."])
    assert.is(digestOf(`${part.repeat(240 / part.length)}!@${sha256}`), "");
  assert.is(digestOf(`${"a-".repeat(1_000_000)}@${sha256}`), "");
});

test.run();
