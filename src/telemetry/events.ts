import type { Claim } from '../model/claim.ts'
import type { DeadLetter } from '../model/dead-letter.ts'
import type { OffsetRange } from '../model/offset-range.ts'
import type { TopicPartition } from '../model/topic-partition.ts'

/** Everything a running job tells the outside. Listeners are called synchronously and must not throw. */
export interface JobEvents {
  /** A micro-batch has committed. */
  batch: BatchEvent
  /** A batch has committed that leaves these records out; they are dead letters now. Comes before its `batch`. */
  deadLettered: { readonly batchId: string; readonly letters: readonly DeadLetter[] }
  /** Partitions were claimed and sought to their stored positions. */
  claimed: { readonly claims: readonly Claim[] }
  /** Partitions are no longer this process's. */
  lost: { readonly partitions: readonly TopicPartition[] }
  /** A batch did not commit and is run again from the positions in SQL. */
  batchFailed: BatchFailedEvent
  /** Something is away and is tried again after `delayMs`. */
  retrying: {
    readonly what: 'source' | 'database'
    readonly error: Error
    readonly attempt: number
    readonly delayMs: number
  }
  /** What was away answers again. */
  recovered: { readonly what: 'source' | 'database' }
  /** A session of an earlier owner held a lock and was ended. */
  blockerEnded: { readonly application: string }
  /** An unknown COMMIT outcome was settled by reading the position: it had committed, or had not. */
  outcomeSettled: { readonly batchId: string; readonly committed: boolean }
  /**
   * Committed positions were mirrored to the job's consumer group, at most about once a second; or that has failed, which
   * does not matter to the job.
   */
  offsetsMirrored: OffsetsMirroredEvent
  /** A file of `fileHandoff` has been loaded: the database has its range. Its `batch` event came when it was durable. */
  fileLoaded: FileLoadedEvent
  /** A file of `fileHandoff` is not loaded: its claim was replaced, or the database has rejected its rows. */
  fileSetAside: {
    readonly file: string
    readonly range: OffsetRange
    readonly reason: 'owned-by-other' | 'rewound' | 'rejected'
    readonly error: Error | null
  }
  /** So many files wait to be loaded that no more are written. */
  handoffPaused: { readonly files: number; readonly bytes: number }
  /** The database has ranges whose `batch` event came when they were durable elsewhere. */
  settled: { readonly batchId: string; readonly ranges: readonly OffsetRange[] }
  /** Files are written again. */
  handoffResumed: { readonly files: number; readonly bytes: number }
  /** Something a person should know that does not stop the job. */
  warning: { readonly message: string }
  stateChanged: { readonly from: JobState; readonly to: JobState }
}

export type JobState = 'starting' | 'running' | 'recovering' | 'stopping' | 'stopped' | 'failed'

export interface BatchEvent {
  readonly batchId: string
  readonly ranges: readonly OffsetRange[]
  /** Records of the ranges that were visible to the job, dead letters included. */
  readonly records: number
  readonly deadLetters: number
  readonly bytes: number
  readonly rows: number
  /** Records that the batch might have had: what the rate allowed, or a search for a record that the database rejects. */
  readonly limitRecords: number
  /** Durations in milliseconds. */
  readonly durations: {
    /**
     * In which the batch had its records and nothing was done for it: from when it was due (`trigger.intervalMs`) to when
     * it began, and while the batch before it was being committed.
     */
    readonly schedulingDelayMs: number
    /** Computing and committing it, without waiting for records. */
    readonly processingMs: number
    /** Scheduling delay and processing time. */
    readonly totalDelayMs: number
    /** Waiting for records, fetching, decoding and aggregating them. */
    readonly computeMs: number
    readonly advanceMs: number
    readonly rowsMs: number
    readonly ledgerMs: number
    readonly commitMs: number
  }
  /** Log end minus position over all partitions, in offsets, as last seen. */
  readonly lagRecords: bigint
}

export interface FileLoadedEvent {
  /** Its path. */
  readonly file: string
  readonly batchId: string
  readonly range: OffsetRange
  readonly records: number
  readonly deadLetters: number
  /** Rows handed to the sinks. */
  readonly rows: number
  /** Of its transaction, in milliseconds. */
  readonly durations: {
    readonly advanceMs: number
    readonly rowsMs: number
    readonly ledgerMs: number
    readonly commitMs: number
  }
}

export interface OffsetsMirroredEvent {
  readonly group: string
  /** What was sent: next offsets of everything that this process owns. */
  readonly offsets: readonly (TopicPartition & { readonly offset: bigint })[]
  /** Null when the brokers have taken them. */
  readonly error: Error | null
  /** How often it has failed since it last succeeded. */
  readonly failures: number
}

export interface BatchFailedEvent {
  readonly batchId: string
  readonly ranges: readonly OffsetRange[]
  readonly reason: 'aborted' | 'fenced' | 'unknown'
  readonly error: Error | null
}

type Listener<E> = (event: E) => void

/** A typed, synchronous emitter. */
export class EventBus<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<Listener<never>>>()

  /** Adds a listener; the returned function removes it. */
  on<K extends keyof Events>(name: K, listener: Listener<Events[K]>): () => void {
    const set = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, set)
    set.add(listener as Listener<never>)
    return () => set.delete(listener as Listener<never>)
  }

  emit<K extends keyof Events>(name: K, event: Events[K]): void {
    for (const listener of this.#listeners.get(name) ?? []) (listener as Listener<Events[K]>)(event)
  }
}

export type JobEventBus = EventBus<JobEvents>
