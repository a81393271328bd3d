import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { versionAmong } from "./ground.ts";
import { projects } from "./maven.ts";

test("the projects that are asked for are those that Maven builds", () => {
  const pom = readFileSync(join(import.meta.dirname, "projects/pom.xml"), "utf8");
  assert.equal([...pom.matchAll(/<module>(.+)<\/module>/g)].map(([, name]) => name).sort(), [...projects]);
});

for (const [rule, files, name, expected] of [
  ["a version is what follows the name", ["jetty-server-12.0.27.jar"], "jetty-server", "12.0.27"],
  ["qualifiers belong to it", ["netty-common-4.1.127.Final.jar"], "netty-common", "4.1.127.Final"],
  [
    "a longer name is another jar's",
    ["spring-boot-jarmode-tools-3.5.6.jar", "spring-boot-3.5.6.jar"],
    "spring-boot",
    "3.5.6",
  ],
  ["a suffix of the name is part of it", ["kafka_2.13-4.1.0.jar"], "kafka_2.13", "4.1.0"],
] as const)
  test(rule, () => assert.is(versionAmong(files, name), expected));

test("a jar that is not there is no version", () => {
  assert.throws(() => versionAmong(["a-1.jar.md5", "b-1.jar"], "a"), /no jar of a/);
});

test.run();
