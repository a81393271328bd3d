import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { normalizeArgument } from "./argument.ts";

const rows: readonly { readonly rule: string; readonly argument: string; readonly expected: string }[] = [
  { rule: "a word stays", argument: "bash", expected: "bash" },
  { rule: "white space around it goes", argument: " bash ", expected: "bash" },
  { rule: "only the first word stays", argument: "bash -c 'echo hello'", expected: "bash" },
  { rule: "of a Windows path the last part stays", argument: "c:\\windows\\system32\\cmd.exe", expected: "cmd.exe" },
  { rule: "a flag without a value is nothing", argument: "-v", expected: "" },
  { rule: "a lone dash is nothing", argument: "-", expected: "" },
  { rule: "of a flag with a value the name stays", argument: "--config=/path/to/config", expected: "--config" },
  { rule: "of a flag the part before the first = stays", argument: "-a=b=c", expected: "-a" },
  { rule: "of a flag with a path in its name the last part stays", argument: "-x/y=1", expected: "y" },
  { rule: "a flag is judged by its first word", argument: "-v a=b", expected: "" },
  { rule: "a = elsewhere stays", argument: "a=b", expected: "a=b" },
  { rule: "of a path the last part stays", argument: "/usr/local/bin/node", expected: "node" },
  { rule: "slashes at the end go", argument: "/usr/local/bin//", expected: "bin" },
  { rule: "a slash alone is nothing", argument: "/", expected: "" },
  { rule: "with both slashes the forward one cuts", argument: "a\\b/c\\d", expected: "c\\d" },
  { rule: "a dash behind a slash is no flag", argument: "/-v", expected: "-v" },
  { rule: "a newline does not end the first word", argument: "echo\nrm -x", expected: "echo\nrm" },
  { rule: "a tab does not end the first word", argument: "a\tb c", expected: "a\tb" },
  { rule: "U+0085 is white space", argument: "\u0085bash\u0085", expected: "bash" },
  { rule: "U+00A0 and U+3000 are white space", argument: "\u00a0bash\u3000", expected: "bash" },
  { rule: "U+FEFF is no white space", argument: "\ufeffbash", expected: "\ufeffbash" },
  { rule: "nothing stays nothing", argument: "", expected: "" },
  { rule: "white space alone is nothing", argument: " \t\n\u2003", expected: "" },
];
for (const { rule, argument, expected } of rows) test(rule, () => assert.is(normalizeArgument(argument), expected));

test("a result holds no space, and no slash, and is part of the argument", () => {
  const text = fc
    .array(fc.constantFrom(" ", "/", "\\", "-", "=", "\t", "a", "b"), { maxLength: 12 })
    .map((all) => all.join(""));
  fc.assert(
    fc.property(text, (argument) => {
      const result = normalizeArgument(argument);
      assert.ok(argument.includes(result));
      assert.not.ok(result.includes(" ") || result.includes("/"));
    }),
  );
});

/** The steps of the rule one by one, on lists of characters. */
function expectedArgument(argument: string): string {
  const spaces = [9, 10, 11, 12, 13, 32, 0x85, 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000];
  const isSpace = (one: string) => {
    const code = one.charCodeAt(0);
    return spaces.includes(code) || (code >= 0x2000 && code <= 0x200a);
  };
  const between = (all: readonly string[], isOut: (one: string) => boolean) => {
    const first = all.findIndex((one) => !isOut(one));
    return first === -1 ? [] : all.slice(first, all.findLastIndex((one) => !isOut(one)) + 1);
  };
  const before = (all: readonly string[], what: string) => (all.includes(what) ? all.slice(0, all.indexOf(what)) : all);
  const word = before(between(argument.split(""), isSpace), " ");
  const isFlag = word[0] === "-";
  if (isFlag && !word.includes("=")) return "";
  const path = between(isFlag ? before(word, "=") : word, (one) => one === "/" || one === "\\");
  const slash = path.includes("/") ? "/" : "\\";
  return path.slice(path.lastIndexOf(slash) + 1).join("");
}

test("arguments of every kind come out as the steps of the rule one by one have it", () => {
  const units = fc.oneof(
    fc.constantFrom(..." /\\-=\t\na\u0085\u00a0\u2003\u200b\ufeff".split("")),
    fc.nat(0xffff).map((code) => String.fromCharCode(code)),
  );
  fc.assert(
    fc.property(fc.array(units, { maxLength: 16 }), (all) => {
      assert.is(normalizeArgument(all.join("")), expectedArgument(all.join("")));
    }),
    { numRuns: 3_000 },
  );
});

test("a plain name is its own result", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z0-9_.]{1,20}$/), (name) => {
      assert.is(normalizeArgument(name), name);
      assert.is(normalizeArgument(normalizeArgument(`/usr/bin/${name} --flag`)), name);
    }),
  );
});

test("a megabyte of spaces or slashes ends, as it would not in quadratic time", () => {
  for (const run of [" ", "/", "\\", "\u00a0"]) assert.match(normalizeArgument(`a${run.repeat(1_000_000)}b`), /^[ab]/);
});

test.run();
