/**
 * Formatter, linter and freshness checks of everything in the clone; `--fix` formats instead of complaining.
 * Needs cargo for the Rust half. Leaves nothing.
 */
import { checks } from "./checks.ts";
import { runSteps } from "./steps.ts";

const fix = process.argv.includes("--fix");
const { failed } = await runSteps(checks({ fix }));
process.exitCode = failed === 0 ? 0 : 1;
