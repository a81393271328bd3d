import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodeImage } from "../api/image.ts";
import { obfuscate } from "./hash.ts";
import { imageInfo } from "./image.ts";

const layers = [{ name: "sha256:l2" }, { name: "sha256:l1" }];
const reference = "quay.example/x@sha256:1";
const described = { layerIDs: ["sha256:l2", "sha256:l1"], firstCommand: "", firstArg: "", repository: "" };
const withMetadata = (dockerImageMetadata: unknown) => ({ dockerImageLayers: layers, dockerImageMetadata });

const rows: readonly { readonly rule: string; readonly image: object; readonly info: object | undefined }[] = [
  { rule: "layers in their order", image: { dockerImageLayers: layers }, info: described },
  { rule: "no layers: nothing is known", image: { dockerImageReference: reference }, info: undefined },
  {
    rule: "the whole reference is hashed",
    image: { dockerImageLayers: layers, dockerImageReference: reference },
    info: { ...described, repository: obfuscate(reference) },
  },
  {
    rule: "a reference with redhat anywhere in it is left out",
    image: { dockerImageLayers: layers, dockerImageReference: "quay.example/notredhatatall/x" },
    info: described,
  },
  {
    rule: "RedHat in other letters is not redhat",
    image: { dockerImageLayers: layers, dockerImageReference: "quay.example/RedHat" },
    info: { ...described, repository: obfuscate("quay.example/RedHat") },
  },
  {
    rule: "first command and argument come from ContainerConfig, normalised",
    image: withMetadata({ ContainerConfig: { Entrypoint: ["/bin/app", "x"], Cmd: ["--port=80", "y"] } }),
    info: { ...described, firstCommand: obfuscate("app"), firstArg: obfuscate("--port") },
  },
  {
    rule: "an argument of which nothing is left has the hash of nothing",
    image: withMetadata({ ContainerConfig: { Cmd: ["-v"] } }),
    info: { ...described, firstArg: "47DEQpj8HBSa" },
  },
  { rule: "Config is not looked at", image: withMetadata({ Config: { Cmd: ["x"] } }), info: described },
  {
    rule: "empty lists are none",
    image: withMetadata({ ContainerConfig: { Cmd: [], Entrypoint: null } }),
    info: described,
  },
  { rule: "metadata of another type is none", image: withMetadata({ ContainerConfig: { Cmd: 7 } }), info: described },
  { rule: "no metadata", image: withMetadata(null), info: described },
];
for (const { rule, image, info } of rows)
  test(`image: ${rule}`, () => {
    const decoded = decodeImage(image);
    assert.ok(decoded);
    assert.equal(imageInfo(decoded), info);
  });

test.run();
