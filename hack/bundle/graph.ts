/** The upgrade graph: which version stands in which channel, and what it takes the place of. */
import { compare } from "semver";
import { serviceVersionName } from "./names.ts";

export interface Entry {
  readonly name: string;
  readonly replaces?: string;
  /** From every version in this range OLM goes to this one at once. */
  readonly skipRange?: string;
}

export interface Channel {
  readonly name: string;
  readonly entries: readonly Entry[];
}

/** From the least to the most careful; what is in one is in those before it, too. */
export const channelNames = ["candidate", "stable"] as const;
export type ChannelName = (typeof channelNames)[number];
export const stableChannel = "stable";

/** A version in the graph, with the last channel of `channelNames` that has it. */
export interface Placed {
  readonly version: string;
  readonly channel: ChannelName;
}

/** From every older version at once: the operator applies everything anew and moves no data of its own. */
export const skipRange = (version: string): string => `<${version}`;

/** The channels that have a version, each one line of replacements. The first one is for whoever names none: the most careful one that there is. */
export function channelsOf(versions: readonly Placed[]): readonly Channel[] {
  return [...channelNames].reverse().flatMap((name): Channel[] => {
    const inOrder = versions
      .filter(({ channel }) => channelNames.indexOf(channel) >= channelNames.indexOf(name))
      .map(({ version }) => version)
      .sort(compare);
    if (inOrder.length === 0) return [];
    const entries = inOrder.map((version, at) => {
      const before = inOrder[at - 1];
      const replaces = before === undefined ? {} : { replaces: serviceVersionName(before) };
      return { name: serviceVersionName(version), ...replaces, skipRange: skipRange(version) };
    });
    return [{ name, entries }];
  });
}
