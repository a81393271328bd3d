import { test } from "uvu";
import * as assert from "uvu/assert";
import { kubectl } from "./kubectl.ts";

test("a program that ends before it has read its input fails by its exit code, and nothing else does", async () => {
  const access = { kubectl: "false", kubeconfig: "none" };
  const said = await kubectl(access, ["apply", "-f", "-"], "x".repeat(10_000_000)).catch(String);
  assert.match(said, /^Error: kubectl apply -f -: /);
});

test.run();
