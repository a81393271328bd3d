/** What an inventory says of the samples beside what they really run. */
import { isDeepStrictEqual } from "node:util";
import type { InventoryRow } from "../../src/api/gather.ts";
import type { Expected, Sample } from "./samples.ts";

/** One line per sample container: where it is, what was found, and whether that is right. */
export interface ComparedContainer {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly os: string;
  readonly kind: string;
  readonly runtimes: string;
  readonly isRight: boolean;
}

/** Every container of the samples, in their order; one that the inventory does not name found nothing and is not right. */
export function compareInventory(
  samples: readonly Sample[],
  rows: readonly InventoryRow[],
): readonly ComparedContainer[] {
  return samples.flatMap(({ namespace, name: pod, containers }) =>
    containers.map(({ name: container, expected }) => {
      const row = rows.find((one) => one.namespace === namespace && one.pod === pod && one.container === container);
      const found = row === undefined ? undefined : answerOf(row);
      return {
        ...{ namespace, pod, container },
        ...(found ?? { os: "", kind: "", runtimes: "" }),
        isRight: isDeepStrictEqual(found, answerOf(expected)),
      };
    }),
  );
}

function answerOf({ os, osVersion, kind, kindVersion, kindImplementer, runtimes }: Expected) {
  // Python's version begins with the word, as in OpenShift's archive.
  const version = kindVersion.startsWith(kind) ? kindVersion : `${kind} ${kindVersion}`;
  return {
    os: `${os} ${osVersion}`.trim(),
    kind: `${version} ${kindImplementer}`.trim(),
    runtimes: runtimes.join(", "),
  };
}
