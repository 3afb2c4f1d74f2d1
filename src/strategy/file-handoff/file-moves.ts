import { Buffer } from 'node:buffer'
import type { TopicPartition } from '../../model/topic-partition.ts'
import { compareFiles, type FileId, type FileState, fileName, parseFileName } from './file-name.ts'
import type { HandoffStore } from './store.ts'

/** How long files are kept that nobody needs any more, in milliseconds; 0: not at all. */
export interface Keep {
  readonly loadedMs: number
  readonly setAsideMs: number
}

/** Why a file is no longer to be loaded, beside it as JSON: how a loader in another process tells the writer. */
export type Note =
  | { readonly reason: 'owned-by-other' | 'rewound'; readonly owner: string | null }
  | { readonly reason: 'failed'; readonly code: string; readonly message: string; readonly ofBatch: boolean }

/** Files of a partition in this state, in the order in which they are loaded. */
export async function filesIn(store: HandoffStore, tp: TopicPartition, state: FileState): Promise<FileId[]> {
  const { topic, partition } = tp
  return (await store.list(tp))
    .flatMap((name) => {
      const parsed = parseFileName(name)
      return parsed?.state === state ? [{ topic, partition, ...parsed.id }] : []
    })
    .sort(compareFiles)
}

/** The database has its range. */
export async function fileLoaded(store: HandoffStore, file: FileId, keep: Keep): Promise<void> {
  if (keep.loadedMs === 0) await store.remove(file, fileName(file, 'handoff'))
  else await store.rename(file, fileName(file, 'handoff'), fileName(file, 'loaded'))
}

/** It is not to be loaded: the note is there before the file has its new name. */
export async function putAside(
  store: HandoffStore,
  file: FileId,
  state: 'aside' | 'rejected',
  note: Note,
): Promise<void> {
  const bytes = Buffer.from(`${JSON.stringify(note)}\n`)
  const name = noteName(file, state)
  // Another loader may do the same at the same time.
  await store.write(file, `${name}.${store.uniqueName()}.tmp`, name, bytes)
  const was = await store.rename(file, fileName(file, 'handoff'), fileName(file, state))
  // Another loader was first; or it is gone, and so is what there is to say.
  if (!was && !(await store.exists(file, fileName(file, state)))) await store.remove(file, name)
}

export async function readNote(
  store: HandoffStore,
  file: FileId,
  state: 'aside' | 'rejected',
): Promise<Note | null> {
  const bytes = await store.read(file, noteName(file, state))
  return bytes && (JSON.parse(bytes.toString()) as Note)
}

function noteName(file: FileId, state: 'aside' | 'rejected'): string {
  return `${fileName(file, state)}${NOTE}`
}

/** A file is not written for as long as this, and no writer lets a note lie so long before it reads it. */
const WRITING_MS = 3_600_000

/** Removes files that were kept long enough, and what writers that are gone have left behind. */
export async function sweep(store: HandoffStore, keep: Keep, nowMs: number): Promise<void> {
  for (const tp of await store.partitions()) {
    // Files before their notes, which say what has become of them.
    const names = (await store.list(tp)).sort((a, b) => Number(isNote(a)) - Number(isNote(b)))
    const kept = new Set<string>()
    for (const name of names) {
      const keepMs = keepMsOf(name, keep)
      if (keepMs === null) continue
      const changedAtMs = await store.changedAtMs(tp, name)
      const isDue = changedAtMs !== null && changedAtMs + keepMs <= nowMs
      if (isDue && !kept.has(name.slice(0, -NOTE.length))) await store.remove(tp, name)
      else kept.add(name)
    }
  }
}

const NOTE = '.json'

function isNote(name: string): boolean {
  return name.endsWith(NOTE)
}

/** How long a file of this name is kept; null for one that is to be loaded, or is none of ours. */
function keepMsOf(name: string, keep: Keep): number | null {
  const state = parseFileName(name.replace(/\.json(\.[0-9a-f-]+\.tmp)?$/, ''))?.state
  if (state === undefined || state === 'handoff') return null
  if (name.endsWith('.tmp')) return WRITING_MS
  if (state === 'loaded') return keep.loadedMs
  return isNote(name) ? Math.max(keep.setAsideMs, WRITING_MS) : keep.setAsideMs
}
