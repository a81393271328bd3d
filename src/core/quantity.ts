/** Quantities of Kubernetes: `500m`, `1Gi`. */

const factors: Readonly<Record<string, number>> = {
  "": 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** A number equal for equal quantities, which the API server writes in its own way: 1024Mi comes back as 1Gi. What is no quantity stays as it is. */
export function quantity(value: unknown): unknown {
  const match = /^([0-9.]+)([A-Za-z]*)$/.exec(String(value));
  const factor = factors[match?.[2] ?? ""];
  return match === null || factor === undefined ? value : Math.round(Number(match[1]) * factor * 1000) / 1000;
}
