/** The OLM bundle of a version, as files. */
import { dump } from "js-yaml";
import { prerelease } from "semver";
import { architectures as ours } from "../../src/core/architectures.ts";
import { channelNames, stableChannel } from "./graph.ts";
import { inVersion, withImages } from "./images.ts";
import { packageName, suggestedNamespace } from "./names.ts";
import { plainObjects } from "./permissions.ts";
import { scorecardConfig, scorecardImage } from "./scorecard.ts";
import { serviceVersion } from "./service-version.ts";
import { readSources, type Sources } from "./sources.ts";

export interface BundleOptions {
  readonly version: string;
  /** The version before it in the upgrade graph; default: none. */
  readonly replaces?: string;
  /** Image by tag to what is to stand in its place, a digest for instance; default: as in manifests/. Our own images come with `version` as tag. */
  readonly image?: (ref: string) => string;
  /** What the name of the image with the scorecard's tests begins with; default: `localhost`. */
  readonly registry?: string;
  /** Of the release, such as 2026-11-21T00:00:00Z; default: not said. */
  readonly createdAt?: string;
  /** What the images are built for; default: what our pods ask of their nodes. */
  readonly architectures?: readonly string[];
}

const header =
  "# Generated from crds/ and manifests/ by hack/bundle/; do not edit. `npm run lint -- --fix` makes it anew.\n";
const yaml = (value: object): string => header + dump(value, { lineWidth: -1, noRefs: true });

/** Every file of that version's bundle with its text, by its path in the bundle. The same input gives the same bytes. */
export function bundleFiles(options: BundleOptions, sources: Sources = readSources()): ReadonlyMap<string, string> {
  const { version, replaces, image = (ref) => ref, createdAt, architectures = ours, registry = "localhost" } = options;
  const operator = withImages(sources.operator, (ref) => image(inVersion(ref, sources.version, version)));
  const csv = serviceVersion(sources, { version, replaces, createdAt, architectures, operator });
  return new Map([
    ["metadata/annotations.yaml", yaml({ annotations: annotationsOf(version) })],
    [`${scorecardFolder}config.yaml`, yaml(scorecardConfig(scorecardImage(registry)))],
    ["manifests/runtime-insights.clusterserviceversion.yaml", yaml(csv)],
    ...sources.crds.map(({ name, object }): [string, string] => [`manifests/${name}.crd.yaml`, yaml(object)]),
    ...plainObjects(sources.manifests, suggestedNamespace).map((object): [string, string] => [
      `manifests/${object.metadata.name}.${object.kind.toLowerCase()}.yaml`,
      yaml(object),
    ]),
  ]);
}

const scorecardFolder = "tests/scorecard/";

/** Channels for tools that make a catalogue by these: one with a pre-release part is a candidate, whatever becomes of it later. */
const annotationsOf = (version: string) => ({
  "operators.operatorframework.io.bundle.mediatype.v1": "registry+v1",
  "operators.operatorframework.io.bundle.manifests.v1": "manifests/",
  "operators.operatorframework.io.bundle.metadata.v1": "metadata/",
  "operators.operatorframework.io.bundle.package.v1": packageName,
  "operators.operatorframework.io.bundle.channels.v1": (prerelease(version) === null
    ? [...channelNames].reverse()
    : ["candidate"]
  ).join(","),
  "operators.operatorframework.io.bundle.channel.default.v1":
    prerelease(version) === null ? stableChannel : "candidate",
  "operators.operatorframework.io.test.mediatype.v1": "scorecard+v1",
  "operators.operatorframework.io.test.config.v1": scorecardFolder,
  // The oldest OpenShift with the Kubernetes that minKubeVersion asks for.
  "com.redhat.openshift.versions": "v4.18",
});
