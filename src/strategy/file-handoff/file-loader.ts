import { createHash } from 'node:crypto'
import type { JobSession } from '../../database/protocol/session.ts'
import { asError, OncesinkError } from '../../errors.ts'
import { formatRange } from '../../model/offset-range.ts'
import { Backoff } from '../../runtime/backoff.ts'
import type { JobEventBus } from '../../telemetry/events.ts'
import { fileLoaded, type Keep, putAside } from './file-moves.ts'
import { type FileId, fileName } from './file-name.ts'
import { type LoadDeps, loadFile, outOfOrder } from './load-file.ts'
import { fateByNote } from './loaded-elsewhere.ts'

export interface FileLoaderDeps extends Omit<LoadDeps, 'clusterId'> {
  readonly events: JobEventBus
  readonly keep: Keep
}

/**
 * What has become of a file in the end:
 * - `done`: the database has its range, and the file is removed or kept;
 * - `void`: it was set aside, because its claim is no longer the row's;
 * - `ahead`: something before it is missing; it stays where it is;
 * - `failed`: the database does not take it as it is; where smaller files may pass it is set aside as rejected.
 */
export type Fate =
  | { readonly kind: 'done' }
  | { readonly kind: 'void'; readonly reason: 'owned-by-other' | 'rewound'; readonly owner: string | null }
  | { readonly kind: 'ahead'; readonly nextOffset: bigint }
  | { readonly kind: 'failed'; readonly error: OncesinkError }

/** Back-off while the database is away, or rolls back for a passing reason. */
const BACKOFF = { initialMs: 50, maxMs: 5_000 }
/** A transaction that dies so often, each time on a connection that had just answered, says something of its rows. */
const DEATHS_BEFORE_FAILING = 3

/** Loads files one after another on a session of its own, and moves them to where they belong afterwards. */
export class FileLoader {
  readonly #deps: FileLoaderDeps & LoadDeps
  readonly #backoff: Backoff
  #clusterId: string | null = null
  #isAway = false

  constructor(deps: FileLoaderDeps) {
    const clusterId = async () => {
      this.#clusterId ??= await clusterIdOf(deps.session)
      return this.#clusterId
    }
    this.#deps = { ...deps, clusterId }
    this.#backoff = new Backoff(BACKOFF, deps.session.runtime.random)
  }

  /**
   * Tries until it is certain what has become of the file.
   * @returns null when `signal` was aborted before
   * @throws OncesinkError what stops the job: a file that is damaged, foreign or out of order, a directory that fails
   */
  async load(file: FileId, signal: AbortSignal): Promise<Fate | null> {
    const { session, events } = this.#deps
    let deaths = 0
    while (!signal.aborted) {
      let isConnected = false
      try {
        await session.connection()
        isConnected = true
        const fate = await this.tryOnce(file)
        if (this.#isAway) events.emit('recovered', { what: 'database' })
        this.#isAway = false
        this.#backoff.reset()
        return fate
      } catch (thrown) {
        const error = asError(thrown)
        if (!isPassing(error)) throw error
        // Locks that others hold are waited for without end: they say nothing of the rows.
        if (isConnected && error.code !== 'TRANSACTION_ABORTED') deaths += 1
        if (deaths >= DEATHS_BEFORE_FAILING) return await this.#failed(file, error)
        session.drop()
        this.#isAway = true
        const delayMs = this.#backoff.nextMs()
        events.emit('retrying', { what: 'database', error, attempt: this.#backoff.attempts, delayMs })
        await session.runtime.clock.sleep(delayMs, signal)
      }
    }
    return null
  }

  /**
   * One attempt.
   * @throws OncesinkError as {@link load}, and what may pass when it is tried again
   */
  async tryOnce(file: FileId): Promise<Fate> {
    const { session, store, keep } = this.#deps
    const outcome = await loadFile(this.#deps, file)
    switch (outcome.kind) {
      case 'loaded':
        await session.runtime.faultPoints.reach('handoff.loaded')
        await fileLoaded(store, file, keep)
        this.#tellLoaded(file, outcome)
        return { kind: 'done' }
      case 'present':
        await fileLoaded(store, file, keep)
        return { kind: 'done' }
      case 'replaced':
        await this.setAside(file, outcome.reason, outcome.owner)
        return { ...outcome, kind: 'void' }
      case 'ahead':
        return outcome
      case 'gone': {
        // Another loader has put it away, or somebody has removed it.
        const fate = await fateByNote(store, file)
        // Its claim still holds, whatever the note says of it: nobody has replaced its owner.
        if (fate?.kind === 'void') return { kind: 'void', reason: 'rewound', owner: null }
        if (fate) return fate
        const path = store.pathOf(file, fileName(file, 'handoff'))
        throw outOfOrder(path, `is missing: nobody has loaded ${formatRange(file)}`)
      }
      case 'unknown':
        throw outcome.error
      case 'failed':
        if (isPassing(outcome.error) && outcome.error.code !== 'STATEMENT_TIMEOUT') throw outcome.error
        return await this.#failed(file, outcome.error)
    }
  }

  async setAside(file: FileId, reason: 'owned-by-other' | 'rewound', owner: string | null): Promise<void> {
    const { store, events } = this.#deps
    await putAside(store, file, 'aside', { reason, owner })
    events.emit('fileSetAside', {
      file: store.pathOf(file, fileName(file, 'aside')),
      range: file,
      reason,
      error: null,
    })
  }

  async #failed(file: FileId, error: OncesinkError): Promise<Fate> {
    const { store, events } = this.#deps
    if (mayPassInPieces(error)) {
      const { code, message, ofBatch } = error
      await putAside(store, file, 'rejected', { reason: 'failed', code, message, ofBatch })
      const path = store.pathOf(file, fileName(file, 'rejected'))
      events.emit('fileSetAside', { file: path, range: file, reason: 'rejected', error })
    }
    return { kind: 'failed', error }
  }

  #tellLoaded(file: FileId, { content, rows, phases }: Loaded): void {
    const { store, events } = this.#deps
    const { batchId, records, deadLetters } = content.header
    const path = store.pathOf(file, fileName(file, 'handoff'))
    events.emit('fileLoaded', {
      file: path,
      batchId,
      range: file,
      records,
      deadLetters,
      rows,
      durations: phases,
    })
  }
}

type Loaded = Extract<Awaited<ReturnType<typeof loadFile>>, { kind: 'loaded' }>

/** How files name the job's shape. */
export function shapeDigest(shape: string): string {
  return createHash('sha256').update(shape).digest('hex')
}

/** Whether smaller files may show which record it is. */
function mayPassInPieces({ code, ofBatch, disposition }: OncesinkError): boolean {
  return code === 'ROWS_REJECTED' || ofBatch || disposition === 'retry'
}

export function isPassing(error: Error): error is OncesinkError {
  return error instanceof OncesinkError && (error.disposition === 'retry' || error.disposition === 'recover')
}

/** What the job's first claim has written; null before it. */
async function clusterIdOf(session: JobSession): Promise<string | null> {
  const trx = await (await session.connection()).begin('snapshot')
  try {
    return (await trx.readJob(session.job))?.clusterId ?? null
  } finally {
    await trx.rollback()
  }
}
