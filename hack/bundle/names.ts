/** What the bundle, its package and its versions are called. */
export const packageName = "runtime-insights";
export const suggestedNamespace = "runtime-insights";
export const packageDescription =
  "Finds out which operating systems, language runtimes and frameworks really run in every container";

/** The name of a version's ClusterServiceVersion. */
export const serviceVersionName = (version: string): string => `${packageName}.v${version}`;
