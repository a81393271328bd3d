/** The last part of a gather: the archive's content is put together and written. */
import { defaultRetention, pack, pruneArchives, writeArchive } from "../adapters/disk.ts";
import type { GatherOutcome } from "../api/gather.ts";
import { type ArchiveContent, type ArchiveFacts, archiveContent, archiveName } from "../core/archive.ts";
import { type Answers, type Images, merge } from "../core/merge.ts";
import type { Draft } from "../core/shapes.ts";
import type { GatherWorld } from "./gather-world.ts";

/** Archives of one second are told apart by taking the next second, so often. */
const maxSameSecond = 5;
const tooMuchSaid = "the runtime infos are left out: with them the record would exceed the archive size limit";

/** What nodes say may cost their runtimes, when there is too much of it, never the shapes. */
export function contentOf(
  facts: Omit<ArchiveFacts, "workload">,
  { draft, answers, images }: { readonly draft: Draft; readonly answers: Answers; readonly images: Images },
  notes: string[],
): ArchiveContent {
  const whole = archiveContent({ ...facts, workload: merge(draft, answers, images) });
  if (whole.dropped === null || answers.size === 0) return whole;
  notes.push(tooMuchSaid);
  const workload = merge(draft, new Map(), images);
  return archiveContent({ ...facts, workload, errors: [tooMuchSaid, ...facts.errors] });
}

type WriteResult = Pick<GatherOutcome, "succeeded" | "reason" | "message" | "archive">;

export async function write(
  { directory, nowMs, retention = defaultRetention }: GatherWorld,
  { prefix, content }: { readonly prefix: string; readonly content: ArchiveContent },
  notes: string[],
): Promise<WriteResult> {
  const failed = (reason: string, message: string): WriteResult => ({
    succeeded: false,
    reason,
    message,
    archive: null,
  });
  try {
    for (let attempt = 0; attempt < maxSameSecond; attempt += 1) {
      const atMs = nowMs() + attempt * 1000;
      const written = await writeArchive(directory, archiveName(atMs, prefix), await pack(content.entries, atMs));
      if (written.kind === "present") continue;
      await pruneArchives(directory, retention, atMs).catch((cause: Error) =>
        notes.push(`Old archives could not be removed: ${cause.message}`),
      );
      const { archive } = written;
      if (content.dropped !== null) return { ...failed("WorkloadInfoTooLarge", content.dropped), archive };
      return { succeeded: true, reason: "", message: "", archive };
    }
    return failed("ArchiveWriteFailed", "writing the archive: there are archives of this second and the next ones");
  } catch (cause) {
    return failed(
      "ArchiveWriteFailed",
      `writing the archive: ${cause instanceof Error ? cause.message : String(cause)}`,
    );
  }
}
