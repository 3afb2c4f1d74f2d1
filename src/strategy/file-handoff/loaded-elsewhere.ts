import { errorCodes, OncesinkError } from '../../errors.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Fate } from './file-loader.ts'
import { type Note, readNote } from './file-moves.ts'
import { type FileId, fileName } from './file-name.ts'
import type { HandoffStore } from './store.ts'

/** How often it is looked, in milliseconds. */
const LOOK_EVERY_MS = 100

/**
 * Waits until a loader in another process has seen to a file: what has become of it is told by where it is.
 * @returns null when `signal` was aborted before
 */
export async function loadedElsewhere(
  store: HandoffStore,
  clock: Clock,
  file: FileId,
  signal: AbortSignal,
): Promise<Fate | null> {
  while (!signal.aborted) {
    if (!(await store.exists(file, fileName(file, 'handoff')))) {
      return (await fateByNote(store, file)) ?? { kind: 'done' }
    }
    await clock.sleep(LOOK_EVERY_MS, signal)
  }
  return null
}

/**
 * What a note beside a file says has become of it; null where there is none. Notes are written before files get their
 * new names, and kept at least as long.
 */
export async function fateByNote(store: HandoffStore, file: FileId): Promise<Fate | null> {
  const note = (await readNote(store, file, 'rejected')) ?? (await readNote(store, file, 'aside'))
  if (!note) return null
  if (note.reason !== 'failed') return { ...note, kind: 'void' }
  return { kind: 'failed', error: errorOf(note, store.pathOf(file, fileName(file, 'rejected'))) }
}

function errorOf(
  { code, message, ofBatch }: Extract<Note, { reason: 'failed' }>,
  path: string,
): OncesinkError {
  const known = errorCodes.find((candidate) => candidate === code) ?? 'ROWS_REJECTED'
  return new OncesinkError(known, `${message} (${path})`, { ofBatch })
}
