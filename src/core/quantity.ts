/** Quantities of Kubernetes: `500m`, `1Gi`. */

const factors: Readonly<Record<string, bigint>> = {
  n: 1n,
  u: 10n ** 3n,
  m: 10n ** 6n,
  "": 10n ** 9n,
  k: 10n ** 12n,
  M: 10n ** 15n,
  G: 10n ** 18n,
  T: 10n ** 21n,
  P: 10n ** 24n,
  E: 10n ** 27n,
  Ki: (10n ** 9n) << 10n,
  Mi: (10n ** 9n) << 20n,
  Gi: (10n ** 9n) << 30n,
  Ti: (10n ** 9n) << 40n,
  Pi: (10n ** 9n) << 50n,
  Ei: (10n ** 9n) << 60n,
};
const thousandth = factors.m ?? 1n;

/** The API server keeps nothing larger. */
const most = (2n ** 63n - 1n) * 1_000n;

/**
 * In thousandths, rounded up, as the API server does with what a container asks for; so quantities are equal that it writes in its
 * own way: 1024Mi comes back as 1Gi, 1000T as 1P, 0.0001 as 1m. What is no quantity stays as it is.
 */
export function quantity(value: unknown): unknown {
  const [, whole = "", decimals = "", unit = ""] = /^([0-9]+)(?:\.([0-9]*))?([A-Za-z]*)$/.exec(String(value)) ?? [];
  const factor = factors[unit];
  if (whole === "" || factor === undefined) return value;
  const scale = 10n ** BigInt(decimals.length) * thousandth;
  const thousandths = (BigInt(whole + decimals) * factor + scale - 1n) / scale;
  return thousandths < most ? thousandths : most;
}
