import { test } from "uvu";
import * as assert from "uvu/assert";
import { pulls } from "./docker.ts";

const line = (request: string) =>
  `time="2026-01-01T00:00:00Z" level=debug msg="Calling ${request}"\ntime="2026-01-01T00:00:01Z" level=info msg="done"\n`;

const rows: readonly [string, string, readonly string[]][] = [
  [
    "a pull is seen, with the image's name",
    line("POST /v1.41/images/create?fromImage=alpine&tag=3"),
    ["fromImage=alpine&tag=3"],
  ],
  ["a pull by a client that names no version", line("POST /images/create?fromImage=alpine"), ["fromImage=alpine"]],
  [
    "images that are loaded, made of a file, looked at and run",
    line("POST /v1.41/images/load") +
      line("POST /v1.41/images/create?repo=a&fromSrc=-") +
      line("POST /v1.41/containers/create"),
    [],
  ],
];
for (const [name, log, expected] of rows) test(name, () => assert.equal(pulls(log), expected));

test.run();
