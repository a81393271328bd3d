/** Reading what a program was told on its command line. */

/** The words on the command line make no sense; the program ends with 2. */
export class UsageError extends Error {}

export function wholeNumber(text: string | undefined, name: string, fallback: number): number {
  if (text === undefined) return fallback;
  if (!/^\d{1,12}$/.test(text)) throw new UsageError(`--${name} is a whole number, not "${text}"`);
  return Number(text);
}

/** A text of a form that is described in a few words. */
export function matching(
  text: string | undefined,
  { name, pattern, form }: { readonly name: string; readonly pattern: RegExp; readonly form: string },
): string | undefined {
  if (text === undefined || pattern.test(text)) return text;
  throw new UsageError(`--${name} is ${form}, not "${text}"`);
}
