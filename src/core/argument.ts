/** What of a command or argument may be hashed into the archive: the program's or the flag's name, never a value. */

// Go's white space: unlike JavaScript's it has U+0085 and lacks U+FEFF.
const space = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;
const slash = /[/\\]/;

/** `/usr/bin/node --x` becomes `node`, `--config=/etc/x` becomes `--config`, a flag without a value becomes empty. */
export function normalizeArgument(argument: string): string {
  const [word = ""] = trim(argument, space).split(" ", 1);
  const equals = word.indexOf("=");
  if (word.startsWith("-") && equals === -1) return "";
  const path = trim(word.startsWith("-") ? word.slice(0, equals) : word, slash);
  const cut = path.includes("/") ? path.lastIndexOf("/") : path.lastIndexOf("\\");
  return path.slice(cut + 1);
}

/** Without a regular expression at the end, which takes quadratic time on a long run in the middle. */
function trim(text: string, what: RegExp): string {
  let start = 0;
  let end = text.length;
  while (start < end && what.test(text.charAt(start))) start += 1;
  while (end > start && what.test(text.charAt(end - 1))) end -= 1;
  return text.slice(start, end);
}
