/** The rows of the operator's benchmark. */
import type { FlipsFound, Found, Memory, MemoryFound, Requests, SteadyFound } from "./operator-plan.ts";
import { median, type Row, row, type Table } from "./report.ts";

/** At 1000 nodes. */
const maxMiB = 120;
/** From the gate's flip to the DaemonSet. */
const maxFlipMs = 2_000;

export function operatorTables(found: readonly Found[]): readonly Table[] {
  return found.flatMap((one) => {
    switch (one.part) {
      case "memory":
        return [
          { title: "Memory", rows: memoryRows(one) },
          { title: "Start", rows: startRows(one) },
        ];
      case "flips":
        return [{ title: "From a flip of the gate to the DaemonSet", rows: flipRows(one) }];
      case "steady":
        return [{ title: "Requests to the API server", rows: steadyRows(one) }];
      default:
        return one satisfies never;
    }
  });
}

function memoryRows({ bareMiB, floorMiB, idle, configured, large, churned }: MemoryFound): readonly Row[] {
  const at = (name: string, { residentMiB, heapMiB }: Memory, limit?: number): readonly Row[] => [
    // The limit is one of the value; a floor would make it one of the ratio.
    row({ name: `${name} (RSS)`, value: residentMiB, unit: "MiB", ...(limit === undefined ? {} : { limit }) }),
    row({ name: `${name}, JavaScript heap in use`, value: heapMiB, unit: "MiB" }),
  ];
  return [
    row({ name: "Node.js alone (RSS)", value: bareMiB, unit: "MiB" }),
    row({
      name: "the operator without a config beside its floor (RSS)",
      value: idle.residentMiB,
      unit: "MiB",
      floor: floorMiB,
    }),
    ...at("without a config", idle, maxMiB),
    ...at("with a config, gate enabled", configured, maxMiB),
    ...at("1000 nodes", large, maxMiB),
    ...at("1000 nodes, after every watched object changed 20 times", churned, maxMiB),
    row({ name: "1000 nodes, largest of all that time (RSS)", value: churned.peakMiB, unit: "MiB", limit: maxMiB }),
    row({
      name: "1000 nodes, heap after the changes beside before (as floor)",
      value: churned.heapMiB,
      unit: "MiB",
      floor: large.heapMiB,
    }),
  ];
}

function startRows({ starts, floorStartMs }: MemoryFound): readonly Row[] {
  const seconds = (times: readonly number[]) => median(times) / 1000;
  return [
    row({
      name: "from start to leading",
      value: seconds(starts.map(({ leadingMs }) => leadingMs)),
      unit: "s",
      floor: floorStartMs / 1000,
    }),
    row({
      name: "from start until all loops have run",
      value: seconds(starts.map(({ firstRunMs }) => firstRunMs)),
      unit: "s",
      floor: floorStartMs / 1000,
    }),
  ];
}

function flipRows({ flips, objects }: FlipsFound): readonly Row[] {
  return (["on", "off"] as const).flatMap((direction) => {
    const ones = flips.filter(({ to }) => to === direction);
    const [ms, floorMs] = [ones.map((one) => one.ms), ones.map((one) => one.floorMs)];
    const name = direction === "on" ? "gate on, DaemonSet made" : "gate off, DaemonSet gone";
    return [
      row({ name: `${name}, median`, value: median(ms), unit: "ms", limit: maxFlipMs }),
      row({ name: `${name}, worst of ${ones.length}`, value: Math.max(...ms), unit: "ms", limit: maxFlipMs }),
      row({
        name: `${name}, median beside the ${objects} writes alone`,
        value: median(ms),
        unit: "ms",
        floor: median(floorMs),
      }),
    ];
  });
}

function steadyRows({ sample, sampleMs, start, run, openWatches, memory }: SteadyFound): readonly Row[] {
  const perHour = (count: number) => (count * 3_600_000) / sampleMs;
  const all = ({ reads, watches, leaseWrites, otherWrites }: Requests) =>
    reads + watches + leaseWrites + otherWrites.length;
  const count = (name: string, value: number, limit?: number) =>
    row({ name, value, unit: "requests", ...(limit === undefined ? {} : { limit }) });
  return [
    count("steady state, an hour", perHour(all(sample))),
    count("steady state, an hour: reads", perHour(sample.reads)),
    count("steady state, an hour: watches begun", perHour(sample.watches)),
    count("steady state, an hour: renewals of the Lease", perHour(sample.leaseWrites)),
    count("steady state, an hour: other writes", perHour(sample.otherWrites.length), 0),
    count("one run that finds nothing to do", all(run)),
    count("from start to the first run", all(start)),
    row({ name: "watches that are open", value: openWatches, unit: "watches" }),
    row({
      name: "memory behind the proxy after that time (RSS)",
      value: memory.residentMiB,
      unit: "MiB",
      limit: maxMiB,
    }),
  ];
}
