/** The growth of a gather as a picture: time beside the floor, and memory, over the number of pods. */
import { judged, type Measured } from "./gather-plan.ts";
import { floorSeconds, peakMiB, wallSeconds } from "./gather-rows.ts";

const width = 820;
const height = 360;
const panel = { top: 56, bottom: 300, width: 310 };
const colours = { gatherer: "#0b5fa5", floor: "#8a8d90", limit: "#b3261e" };

interface Point {
  readonly pods: number;
  readonly value: number;
}

interface Series {
  readonly name: string;
  readonly colour: string;
  readonly points: readonly Point[];
  readonly dashed?: boolean;
}

/** An SVG document; sizes in ascending order. */
export function curve(all: readonly Measured[]): string {
  const of = (value: (one: Measured) => number): readonly Point[] =>
    all.map((one) => ({ pods: one.counts.pods, value: value(one) }));
  const maxPods = Math.max(...all.map(({ counts }) => counts.pods));
  const floor = of(floorSeconds);
  const time: readonly Series[] = [
    { name: "gatherer", colour: colours.gatherer, points: of(wallSeconds) },
    { name: "floor", colour: colours.floor, points: floor },
    {
      name: "2 x floor",
      colour: colours.limit,
      points: floor.map(({ pods, value }) => ({ pods, value: 2 * value })),
      dashed: true,
    },
  ];
  const limit = [0, maxPods].map((pods) => ({ pods, value: 200 }));
  const memory: readonly Series[] = [
    { name: "peak", colour: colours.gatherer, points: of(peakMiB) },
    { name: `limit at ${judged} pods`, colour: colours.limit, points: limit, dashed: true },
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<title>Time and memory of a gather over the number of pods</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    drawPanel({ left: 70, title: "Time of a gather", unit: "seconds", maxPods, series: time }),
    drawPanel({ left: 480, title: "Memory of the gatherer (RSS)", unit: "MiB", maxPods, series: memory }),
    "</svg>",
    "",
  ].join("\n");
}

interface Panel {
  readonly left: number;
  readonly title: string;
  readonly unit: string;
  readonly maxPods: number;
  readonly series: readonly Series[];
}

function drawPanel({ left, title, unit, maxPods, series }: Panel): string {
  const { top, bottom } = panel;
  const right = left + panel.width;
  const ticks = ticksUpTo(Math.max(...series.flatMap(({ points }) => points.map(({ value }) => value))));
  const most = ticks.at(-1) ?? 1;
  const x = (pods: number) => left + (pods / maxPods) * panel.width;
  const y = (value: number) => bottom - (value / most) * (bottom - top);
  const text = (at: readonly [number, number], words: string, more = "") =>
    `<text x="${tenth(at[0])}" y="${tenth(at[1])}" fill="#1f1f1f" ${more}>${words}</text>`;
  return [
    text([left, top - 30], title, 'font-size="14" font-weight="bold"'),
    ...ticks.flatMap((value) => [
      `<line x1="${left}" x2="${right}" y1="${tenth(y(value))}" y2="${tenth(y(value))}" stroke="#e0e0e0"/>`,
      text([left - 8, y(value) + 4], String(value), 'text-anchor="end"'),
    ]),
    ...ticksUpTo(maxPods)
      .filter((pods) => pods <= maxPods)
      .map((pods) => text([x(pods), bottom + 18], String(pods), 'text-anchor="middle"')),
    text([(left + right) / 2, bottom + 38], "pods", 'text-anchor="middle"'),
    text([0, 0], unit, `text-anchor="middle" transform="translate(${left - 44} ${(top + bottom) / 2}) rotate(-90)"`),
    ...series.flatMap(({ name, colour, points, dashed = false }, index) => {
      const dash = dashed ? ' stroke-dasharray="5 4"' : "";
      const path = points.map(({ pods, value }) => `${tenth(x(pods))},${tenth(y(value))}`).join(" ");
      const legend = left + index * 110;
      return [
        `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"${dash}/>`,
        ...(dashed
          ? []
          : points.map(
              ({ pods, value }) => `<circle cx="${tenth(x(pods))}" cy="${tenth(y(value))}" r="3" fill="${colour}"/>`,
            )),
        `<line x1="${legend}" x2="${legend + 18}" y1="${top - 16}" y2="${top - 16}" stroke="${colour}" stroke-width="2"${dash}/>`,
        text([legend + 23, top - 12], name),
      ];
    }),
    `<line x1="${left}" x2="${right}" y1="${bottom}" y2="${bottom}" stroke="#1f1f1f"/>`,
  ].join("\n");
}

/** From nought in at most six round steps, the last one not below the value. */
export function ticksUpTo(value: number): readonly number[] {
  const rough = Math.max(value, 1e-6) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 4, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
  return Array.from({ length: Math.ceil(value / step - 1e-9) + 1 }, (_, index) =>
    Number((index * step).toPrecision(6)),
  );
}

const tenth = (value: number) => Math.round(value * 10) / 10;
