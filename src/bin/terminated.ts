/**
 * To be imported before everything else: as the first process of its container a program without a handler never hears of the one SIGTERM
 * that a kubelet sends, and a pod that is deleted as it starts would stay for its whole time of grace.
 */

/** Resolves at the first SIGTERM or SIGINT since the program began. */
export const terminated = new Promise<void>((resolve) => {
  for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve());
});
