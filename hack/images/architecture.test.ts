import { test } from "uvu";
import * as assert from "uvu/assert";
import { architectureProblem, type Machine } from "./architecture.ts";

const debian = (architecture: Machine["architecture"], version = 12): Machine => ({
  architecture,
  distribution: `debian-${version}`,
});
const rows: readonly { readonly wanted: string; readonly machine: Machine; readonly says: RegExp | undefined }[] = [
  { wanted: "amd64", machine: debian("amd64"), says: undefined },
  { wanted: "arm64", machine: debian("arm64"), says: undefined },
  { wanted: "arm64", machine: debian("amd64"), says: undefined },
  { wanted: "amd64", machine: { architecture: "amd64", distribution: "fedora-42" }, says: undefined },
  { wanted: "amd64", machine: debian("amd64", 13), says: undefined },
  {
    wanted: "arm64",
    machine: { architecture: "amd64", distribution: "fedora-42" },
    says: /^--arch arm64: images for arm64 are not built on a machine that is amd64 and runs fedora-42\.\nThe compilers and libraries for arm64 are those of Debian 12/,
  },
  { wanted: "arm64", machine: debian("amd64", 13), says: /is amd64 and runs debian-13\.\n/ },
  {
    wanted: "amd64",
    machine: debian("arm64"),
    says: /^--arch amd64: .* a machine that is arm64\.\nThe compilers, which are Debian's, .*not the other way round/,
  },
  {
    wanted: "s390x",
    machine: debian("amd64"),
    says: /^--arch s390x: there are no images for it; what there can be is amd64 or arm64$/,
  },
];

for (const { wanted, machine, says } of rows) {
  test(`${wanted} on ${machine.distribution}, ${machine.architecture}: ${says === undefined ? "built" : "refused with the reason"}`, () => {
    const problem = architectureProblem(wanted, machine);
    if (says === undefined) assert.is(problem, undefined);
    else assert.match(problem ?? "", says);
  });
}

test.run();
