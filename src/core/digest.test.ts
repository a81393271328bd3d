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

test("hostile references end, as they would not in exponential time", () => {
  for (const part of ["a", "a-", "a.", "a_", "-", "a/", "A."])
    assert.is(digestOf(`${part.repeat(240 / part.length)}!@${sha256}`), "");
  assert.is(digestOf(`${"a-".repeat(1_000_000)}@${sha256}`), "");
});

test.run();
