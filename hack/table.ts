export { table } from "../src/core/table.ts";
