import type { JobSession } from '../../database/protocol/session.ts'
import { asError, OncesinkError } from '../../errors.ts'
import { type TopicPartition, topicPartitionKey } from '../../model/topic-partition.ts'
import { Backoff } from '../../runtime/backoff.ts'
import type { JobEventBus } from '../../telemetry/events.ts'
import { type FileLoader, isPassing } from './file-loader.ts'
import { filesIn, type Keep, sweep } from './file-moves.ts'
import { type FileId, fileName } from './file-name.ts'
import { outOfOrder } from './load-file.ts'
import type { HandoffStore } from './store.ts'
import { storedPosition } from './stored-position.ts'

export interface DirectoryLoaderDeps {
  readonly session: JobSession
  readonly store: HandoffStore
  readonly loader: FileLoader
  readonly events: JobEventBus
  readonly keep: Keep
}

export interface LoadOptions {
  /** Ends it: the file at hand is finished. */
  readonly stop: AbortSignal
  /** End when no file waits. */
  readonly once: boolean
  /** With `once`: how long the database may be away, in milliseconds. */
  readonly patienceMs: number
}

/** How often it is looked for new files, in milliseconds. */
const LOOK_EVERY_MS = 200
const SWEEP_EVERY_MS = 3_600_000
const BACKOFF = { initialMs: 50, maxMs: 5_000 }

/**
 * Loads every file of a job, whoever has written it: what `oncesink load` is. It claims nothing, and remembers nothing
 * that it needs: it may be killed and started again at any point, and any number of them may run at once.
 */
export class DirectoryLoader {
  readonly #deps: DirectoryLoaderDeps
  /** Where each claim's files have been loaded up to, by claim and partition. */
  readonly #loadedUntil = new Map<string, bigint>()
  #sweptAtMs = Number.NEGATIVE_INFINITY

  constructor(deps: DirectoryLoaderDeps) {
    this.#deps = deps
  }

  /** @throws OncesinkError what stops it: a file that cannot be loaded, with its path; the database's errors */
  async run({ stop, once, patienceMs }: LoadOptions): Promise<void> {
    const { session, store, events } = this.#deps
    const { clock, random } = session.runtime
    const backoff = new Backoff(BACKOFF, random)
    let answeredAtMs = clock.monotonicMs()
    await store.prepare()
    while (!stop.aborted) {
      try {
        const seen = await this.#round(stop)
        if (backoff.attempts > 0) events.emit('recovered', { what: 'database' })
        backoff.reset()
        answeredAtMs = clock.monotonicMs()
        if (seen > 0) continue
        if (once) return
        await this.#sweepWhenDue()
        await clock.sleep(LOOK_EVERY_MS, stop)
      } catch (thrown) {
        const error = asError(thrown)
        if (!isPassing(error) || (once && clock.monotonicMs() - answeredAtMs >= patienceMs)) throw error
        session.drop()
        const delayMs = backoff.nextMs()
        events.emit('retrying', { what: 'database', error, attempt: backoff.attempts, delayMs })
        await clock.sleep(delayMs, stop)
      }
    }
  }

  /** Looks once through all partitions. @returns how many files are no longer waiting */
  async #round(stop: AbortSignal): Promise<number> {
    let seen = 0
    for (const tp of await this.#deps.store.partitions()) {
      if (stop.aborted) return seen
      seen += await this.#partition(tp, stop)
    }
    return seen
  }

  async #partition(tp: TopicPartition, stop: AbortSignal): Promise<number> {
    const { store, loader, session } = this.#deps
    const files = await filesIn(store, tp, 'handoff')
    if (files.length === 0) return 0
    // Read after the files were listed: their claims had committed before they were written.
    const row = await storedPosition(session, tp)
    const [first] = files
    if (!row && first) throw this.#strange(first)
    let seen = 0
    for (const file of files) {
      if (stop.aborted) return seen
      if (row && file.claimId !== row.claimId) {
        await loader.setAside(file, row.epoch < file.epoch ? 'rewound' : 'owned-by-other', row.owner)
      } else if (!(await this.#load(file, stop))) return seen
      seen += 1
    }
    return seen
  }

  /**
   * @param aheadOf where the database was when the file did not follow it a moment ago; null where that was not so
   * @returns whether the next file of the partition may be tried
   */
  async #load(file: FileId, stop: AbortSignal, aheadOf: bigint | null = null): Promise<boolean> {
    const { store, loader } = this.#deps
    const fate = await loader.load(file, stop)
    switch (fate?.kind) {
      case undefined:
        return false
      case 'done':
        this.#loadedUntil.set(chainOf(file), file.until)
        return true
      case 'void':
        return true
      case 'failed': {
        // A rejected file waits for its writer to claim again.
        if (await store.exists(file, fileName(file, 'rejected'))) return false
        throw fate.error
      }
      case 'ahead':
        return await this.#ahead(file, stop, fate.nextOffset, aheadOf)
    }
  }

  /** Something before the file is missing, as it seems. */
  async #ahead(
    file: FileId,
    stop: AbortSignal,
    nextOffset: bigint,
    aheadOf: bigint | null,
  ): Promise<boolean> {
    const { store, loader, session } = this.#deps
    if (this.#loadedUntil.get(chainOf(file)) === file.from) {
      // It was in the database, and is not any more: a restore, or a failover that has lost what was acknowledged.
      await loader.setAside(file, 'rewound', null)
      return true
    }
    const isBefore = (other: FileId) => other.claimId === file.claimId && other.from < file.from
    const rejected = await filesIn(store, file, 'rejected')
    if (rejected.some(isBefore)) return false
    // A list may leave out a file that got its name while it was made.
    const waiting = await filesIn(store, file, 'handoff')
    for (const other of waiting.filter(isBefore)) {
      if (!(await this.#load(other, stop))) return false
    }
    if (waiting.some(isBefore)) return await this.#load(file, stop)
    // Another loader may have put away what is missing, after the database was asked: then that has moved.
    if (nextOffset !== aheadOf) {
      await session.runtime.clock.sleep(LOOK_EVERY_MS, stop)
      return await this.#load(file, stop, nextOffset)
    }
    throw outOfOrder(
      store.pathOf(file, fileName(file, 'handoff')),
      `begins at ${file.from}, but the database has no more than ${nextOffset}: a file before it is missing`,
    )
  }

  #strange(file: FileId): OncesinkError {
    const { store, session } = this.#deps
    return new OncesinkError(
      'HANDOFF_FILE_FOREIGN',
      `${store.pathOf(file, fileName(file, 'handoff'))} cannot be loaded: job '${session.job}' has no position for ` +
        `${topicPartitionKey(file)} in this database. Is it the database that the file was written for?`,
    )
  }

  async #sweepWhenDue(): Promise<void> {
    const { store, session, keep } = this.#deps
    const { clock } = session.runtime
    if (clock.monotonicMs() < this.#sweptAtMs + SWEEP_EVERY_MS) return
    this.#sweptAtMs = clock.monotonicMs()
    await sweep(store, keep, clock.wallMs())
  }
}

function chainOf(file: FileId): string {
  return `${file.claimId} ${topicPartitionKey(file)}`
}
