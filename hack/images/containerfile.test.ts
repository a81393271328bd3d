import { test } from "uvu";
import * as assert from "uvu/assert";
import { containerfileOf } from "./containerfile.ts";

const layer = { file: "/cache/layer", digest: "sha256:1", diffId: "sha256:2", bytes: 1 };

/** Without its comments. */
const linesOf = (spec: Parameters<typeof containerfileOf>[0]) =>
  containerfileOf(spec)
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));

test("says all that the image says, after its layers in their order", () => {
  const spec = {
    ref: "localhost/one:1",
    layers: [layer, layer],
    entrypoint: ["/one", "a b"],
    cmd: ["serve"],
    env: ["PATH=/bin", "OPTIONS=--a=b c"],
    user: "65532:65532",
    workingDir: "/app",
    labels: { "org.example.title": "One" },
  };
  assert.equal(linesOf(spec), [
    "FROM scratch",
    "ADD layer-1.tar.gz /",
    "ADD layer-2.tar.gz /",
    "WORKDIR /app",
    'ENV PATH="/bin"',
    'ENV OPTIONS="--a=b c"',
    'LABEL "org.example.title"="One"',
    "USER 65532:65532",
    'ENTRYPOINT ["/one","a b"]',
    'CMD ["serve"]',
  ]);
});

test("what the image does not say is not said, but for what builders would put there themselves", () => {
  assert.equal(linesOf({ ref: "localhost/one:1", layers: [layer] }), [
    "FROM scratch",
    "ADD layer-1.tar.gz /",
    "WORKDIR /",
    'ENV PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"',
  ]);
});

test("quotes, variables and backslashes in values stay what they are", () => {
  const lines = linesOf({ ref: "localhost/one:1", layers: [], labels: { one: 'a "b" $HOME \\n' } });
  assert.is(lines.at(-1), 'LABEL "one"="a \\"b\\" \\$HOME \\\\n"');
});

test("a value of several lines is refused", () => {
  assert.throws(() => containerfileOf({ ref: "localhost/one:1", layers: [], labels: { one: "a\nb" } }), /no place for/);
});

test.run();
