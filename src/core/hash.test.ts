import { test } from "uvu";
import * as assert from "uvu/assert";
import { obfuscate } from "./hash.ts";

const rows: readonly { readonly text: string; readonly hash: string }[] = [
  { text: "", hash: "47DEQpj8HBSa" },
  { text: "bash", hash: "N9KxLV2avCo2" },
  { text: "openshift-insights", hash: "MBms5agiSYKb" },
  { text: "rhel", hash: "yqx1WBefoIAq" },
  { text: "Golang", hash: "UOVueXxKyJ95" },
  { text: "Java", hash: "wbpgzhNYZQOi" },
  { text: "Node.js", hash: "H8DHhTMugPuT" },
  { text: "Quarkus", hash: "zBVuVhrrC_vC" },
  { text: "GraalVM", hash: "mjPGfOhcD0JI" },
];
for (const { text, hash } of rows)
  test(`${JSON.stringify(text)} has a known hash`, () => assert.is(obfuscate(text), hash));

test("text is hashed as UTF-8, a lone surrogate as U+FFFD", () => {
  assert.is(obfuscate("\ud800"), obfuscate("\ufffd"));
  assert.is.not(obfuscate("\u00e9"), obfuscate("e"));
});

test.run();
