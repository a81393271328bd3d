import { test } from "uvu";
import * as assert from "uvu/assert";
import { quantity } from "./quantity.ts";

/** What is written, and how the API server writes it. */
const equal: readonly (readonly [written: string | number, canonical: string])[] = [
  ["1000m", "1"],
  [1, "1"],
  ["1024Mi", "1Gi"],
  ["1024Ti", "1Pi"],
  ["1000T", "1P"],
  ["0.5", "500m"],
  // Rounded up.
  ["0.0001", "1m"],
  ["0.0011", "2m"],
  ["0.000000001m", "1m"],
  ["1500u", "2m"],
  ["1.5Gi", "1536Mi"],
  ["999999999999999Ti", "9223372036854775807"],
];
for (const [written, canonical] of equal)
  test(`${written} is ${canonical}`, () => {
    assert.is(quantity(written), quantity(canonical));
  });

const different: readonly (readonly [string, string])[] = [
  ["1", "1m"],
  ["1Gi", "1G"],
  ["1m", "1001u"],
  ["1k", "1Ki"],
];
for (const [one, other] of different)
  test(`${one} is not ${other}`, () => {
    assert.is.not(quantity(one), quantity(other));
  });

test("what is no quantity stays as it is", () => {
  for (const value of ["much", "1X", "", undefined]) assert.is(quantity(value), value);
});

test.run();
