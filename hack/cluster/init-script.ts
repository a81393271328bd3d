/** Parts of the bash script that is the init of a machine. */
import { join } from "node:path";

/** The first line: a step that fails ends the machine. */
export const initStart = "set -eu; declare -A names";

/** Starts a program whose output goes to NAME.log in the folder; the machine ends with it. */
export const background = (name: string, command: readonly string[], dir: string): string =>
  `${command.map(quote).join(" ")} >> ${quote(join(dir, `${name}.log`))} 2>&1 & names[$!]=${quote(name)}`;

/** Starts a program and starts it anew whenever it ends; the machine does not depend on it. */
export const keepRunning = (name: string, command: readonly string[], dir: string): string =>
  `while :; do ${command.map(quote).join(" ")} >> ${quote(join(dir, `${name}.log`))} 2>&1 || true; sleep 1; done &`;

/** The last lines: when one of its programs ends, the whole machine does, so that a living init means a whole machine. */
export const endTogether = `wait -n -p ended "\${!names[@]}" || true\necho "\${names[$ended]} has ended"`;

export function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
