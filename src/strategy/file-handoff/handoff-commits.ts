import { asError, OncesinkError } from '../../errors.ts'
import type { Claim } from '../../model/claim.ts'
import type { OffsetRange } from '../../model/offset-range.ts'
import type { RangeOutcome } from '../../model/outcome.ts'
import { type TopicPartition, topicPartitionKey } from '../../model/topic-partition.ts'
import type { CommitReport, ComputedBatch, DeferredCommits, LateFailure, StrategyParts } from '../strategy.ts'
import { Bell } from './bell.ts'
import { type Fate, FileLoader, shapeDigest } from './file-loader.ts'
import { type Keep, sweep } from './file-moves.ts'
import { type FileId, fileName } from './file-name.ts'
import { FileWriter, type WrittenFile } from './file-writer.ts'
import { gzipMembers, type Packing } from './gzip-members.ts'
import { outOfOrder } from './load-file.ts'
import { loadedElsewhere } from './loaded-elsewhere.ts'
import type { HandoffStore } from './store.ts'
import { filesOfOthers, setAsideEarlier, type TakeUpDeps, takeUp } from './take-up.ts'

export interface HandoffLimits {
  readonly loader: 'inProcess' | 'external'
  readonly maxFiles: number
  readonly maxBytes: number
  readonly keep: Keep
}

const SWEEP_EVERY_MS = 3_600_000

/**
 * The commits of `fileHandoff`: a batch is reported as committed when its files are durable, and a loader, here or in
 * another process, brings them into the database in the order in which they were written.
 *
 * States of a file of this process: (written) -> `waiting` -> (its fate is known) -> gone. The first one that does not
 * get into the database takes those after it along, of its partition: they are void with the next claim.
 * After a failure its partition's files are waited for one by one, until the range that failed is behind, so that the
 * driver narrows it down without computing what follows. Not without end: nobody may be there to load them.
 */
export class HandoffCommits implements DeferredCommits {
  readonly #limits: HandoffLimits
  readonly #parts: StrategyParts
  readonly #store: HandoffStore
  readonly #session: StrategyParts['session']
  readonly #writer: FileWriter
  readonly #loader: FileLoader
  readonly #closed = new AbortController()
  readonly #bell = new Bell()
  readonly #listeners = new Set<() => void>()
  /** In the order in which they were written. */
  #waiting: WrittenFile[] = []
  /** Where each claim's files have been loaded up to, by claim and partition. */
  readonly #loadedUntil = new Map<string, bigint>()
  /** Ends of the ranges that have failed, by partition. */
  readonly #suspects = new Map<string, bigint>()
  /** Chains, by claim and partition, of which a file has failed. */
  readonly #broken = new Set<string>()
  #failure: LateFailure | null = null
  /** How many want that nothing is loaded meanwhile. */
  #holds = 0
  /** The file at hand. */
  #step: { readonly abort: AbortController; readonly ended: Promise<void> } | null = null
  #running: Promise<void> | null = null
  #isPaused = false
  #sweptAtMs = Number.NEGATIVE_INFINITY

  constructor(
    limits: HandoffLimits,
    parts: StrategyParts,
    store: HandoffStore,
    packing: Packing = gzipMembers,
  ) {
    this.#limits = limits
    this.#parts = parts
    this.#store = store
    this.#session = parts.session.another()
    const { pipelines, deadLetterLimit, events } = parts
    const shape = shapeDigest(parts.shape)
    this.#writer = new FileWriter({
      packing,
      store,
      pipelines,
      shape,
      job: parts.session.job,
      clusterId: parts.clusterId,
    })
    this.#loader = new FileLoader({
      packing,
      session: this.#session,
      store,
      pipelines,
      deadLetterLimit,
      shape,
      events,
      keep: limits.keep,
    })
  }

  async commit(batch: ComputedBatch): Promise<CommitReport> {
    const { clock } = this.#session.runtime
    const startedAt = clock.monotonicMs()
    const written = this.#failure
      ? { outcomes: batch.results.map(({ range }) => voided(range)), files: [], rows: 0 }
      : await this.#writer.write(batch)
    // What was being written while something before it has failed does not follow anything any more.
    const files = written.files.filter((file) => !this.#broken.has(chainOf(file)))
    const lost = written.files.filter((file) => !files.includes(file)).map(({ result }) => result.range)
    const outcomes = written.outcomes.map((one) => (lost.includes(one.range) ? voided(one.range) : one))
    const { rows } = written
    this.#waiting.push(...files)
    this.#bell.ring()
    const wroteMs = clock.monotonicMs() - startedAt
    this.#run()
    const isSuspect = files.some((file) => file.from < (this.#suspects.get(topicPartitionKey(file)) ?? 0n))
    if (isSuspect) await this.#untilSeen(files)
    return {
      outcomes: isSuspect ? this.#settledOutcomes(outcomes) : outcomes,
      rows,
      phases: {
        advanceMs: 0,
        rowsMs: wroteMs,
        ledgerMs: 0,
        commitMs: clock.monotonicMs() - startedAt - wroteMs,
      },
    }
  }

  /** Until the fate of these is known, or the patience with whoever loads them is over: then it comes late. */
  async #untilSeen(files: readonly WrittenFile[]): Promise<void> {
    const over = new AbortController()
    const patience = AbortSignal.any([over.signal, this.#closed.signal])
    const deadline = this.#session.runtime.clock.sleep(SUSPECT_PATIENCE_MS, patience).then(() => over.abort())
    await this.#until(() => files.every((file) => !this.#waiting.includes(file)), patience)
    over.abort()
    await deadline
  }

  /**
   * Of files that were waited for: what was reported late is told at once. What has failed of others meanwhile is the
   * driver's to take.
   */
  #settledOutcomes(outcomes: readonly RangeOutcome[]): readonly RangeOutcome[] {
    const found = this.#failure?.failures[0]
    if (!found || !outcomes.some(({ range }) => isSameRange(range, found.range))) return outcomes
    this.#failure = null
    return outcomes.map((outcome) =>
      outcome.kind === 'committed' && isSameRange(outcome.range, found.range)
        ? { ...found, range: outcome.range }
        : outcome,
    )
  }

  async ready(signal: AbortSignal): Promise<boolean> {
    const { events } = this.#parts
    if (!this.#isFull()) return true
    if (!this.#isPaused) events.emit('handoffPaused', { files: this.#waiting.length, bytes: this.#bytes() })
    this.#isPaused = true
    await this.#until(() => !this.#isFull() || this.#failure !== null, signal)
    if (this.#isFull()) return false
    this.#isPaused = false
    events.emit('handoffResumed', { files: this.#waiting.length, bytes: this.#bytes() })
    return true
  }

  isPending(partition: TopicPartition): boolean {
    const key = topicPartitionKey(partition)
    return this.#waiting.some((file) => topicPartitionKey(file) === key)
  }

  takeFailure(): LateFailure | null {
    const failure = this.#failure
    this.#failure = null
    return failure
  }

  onFailure(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async settle(signal: AbortSignal): Promise<boolean> {
    // With a loader elsewhere, being durable is all that this process can do for them.
    if (this.#limits.loader === 'inProcess') {
      await this.#until(() => this.#waiting.length === 0 || this.#failure !== null, signal)
      if (this.#waiting.length > 0) return false
    }
    return this.#failure === null
  }

  async beforeClaim(partitions: readonly TopicPartition[], ownClaims?: readonly Claim[]): Promise<void> {
    await this.#prepareOnce()
    await this.#alone(async (deps) => {
      await takeUp(deps, partitions, ownClaims)
      const keys = new Set(partitions.map(topicPartitionKey))
      this.#waiting = this.#waiting.filter((file) => !keys.has(topicPartitionKey(file)))
      // It is found again, if it still is there.
      const failed = this.#failure?.failures[0]?.range
      if (failed && keys.has(topicPartitionKey(failed))) this.#failure = null
    })
  }

  async claimed(claims: readonly Claim[]): Promise<void> {
    for (const claim of claims) {
      // Where there is nothing, the file at hand is not waited for.
      const isAnything = (await filesOfOthers(this.#store, claim)).length > 0
      if (isAnything) await this.#alone((deps) => setAsideEarlier(deps, claim))
    }
    await this.#sweepWhenDue()
  }

  /** While nothing is loaded: the loop has the same session. */
  async #alone(work: (deps: TakeUpDeps) => Promise<void>): Promise<void> {
    this.#holds += 1
    try {
      this.#step?.abort.abort()
      await this.#step?.ended
      const { events } = this.#parts
      await work({ session: this.#session, events, store: this.#store, loader: this.#loader })
    } catch (error) {
      this.#session.drop()
      throw error
    } finally {
      this.#holds -= 1
      this.#bell.ring()
    }
  }

  async close(): Promise<void> {
    this.#closed.abort()
    this.#bell.ring()
    const { clock } = this.#session.runtime
    const ended = new AbortController()
    // A transaction that does not come to an end is cut off; the next start loads the file.
    const cut = clock.sleep(CLOSE_PATIENCE_MS, ended.signal).then(() => {
      if (!ended.signal.aborted) this.#session.drop()
    })
    await this.#running
    ended.abort()
    await cut
    await this.#session.close()
  }

  #isPrepared = false

  async #prepareOnce(): Promise<void> {
    if (this.#isPrepared) return
    await this.#store.prepare()
    this.#isPrepared = true
  }

  async #sweepWhenDue(): Promise<void> {
    const { clock } = this.#session.runtime
    if (clock.monotonicMs() < this.#sweptAtMs + SWEEP_EVERY_MS) return
    this.#sweptAtMs = clock.monotonicMs()
    await sweep(this.#store, this.#limits.keep, clock.wallMs())
  }

  #run(): void {
    this.#running ??= this.#loop()
  }

  async #loop(): Promise<void> {
    const closed = this.#closed.signal
    while (!closed.aborted) {
      const [file] = this.#waiting
      if (!file || this.#holds > 0) {
        await this.#bell.wait(closed)
        continue
      }
      const abort = new AbortController()
      const stop = () => abort.abort()
      closed.addEventListener('abort', stop, { once: true })
      const ended = this.#see(file, abort.signal)
      this.#step = { abort, ended }
      await ended
      this.#step = null
      closed.removeEventListener('abort', stop)
    }
  }

  /** Never rejects: what fails is told to whoever asks next. */
  async #see(file: WrittenFile, signal: AbortSignal): Promise<void> {
    try {
      const fate = await this.#fateOf(file, signal)
      if (fate) this.#settleFile(file, fate)
    } catch (error) {
      this.#fail(file, { kind: 'aborted', range: file.result.range, error: asError(error) })
    }
    this.#bell.ring()
  }

  #fateOf(file: WrittenFile, signal: AbortSignal): Promise<Fate | null> {
    if (this.#limits.loader === 'inProcess') return this.#loader.load(file, signal)
    return loadedElsewhere(this.#store, this.#session.runtime.clock, file, signal)
  }

  #settleFile(file: WrittenFile, fate: Fate): void {
    if (fate.kind !== 'done') {
      if (fate.kind === 'failed') this.#suspects.set(topicPartitionKey(file), file.until)
      this.#fail(file, this.#failureOf(file, fate))
      return
    }
    this.#waiting = this.#waiting.filter((other) => other !== file)
    this.#loadedUntil.set(chainOf(file), file.until)
    this.#parts.events.emit('settled', { batchId: file.batchId, ranges: [file.result.range] })
    const key = topicPartitionKey(file)
    if ((this.#suspects.get(key) ?? 0n) <= file.until) this.#suspects.delete(key)
  }

  #failureOf(file: WrittenFile, fate: Exclude<Fate, { kind: 'done' }>): LateFailure['failures'][number] {
    const { range } = file.result
    switch (fate.kind) {
      case 'void':
        return { ...fate, kind: 'fenced', range }
      case 'failed':
        return { kind: 'aborted', range, error: fate.error }
      case 'ahead': {
        // What was loaded before it is gone from the database: it has lost acknowledged transactions, or was restored.
        const isRewound = this.#loadedUntil.get(chainOf(file)) === file.from
        if (isRewound) return { kind: 'fenced', range, reason: 'rewound', owner: null }
        const path = this.#store.pathOf(file, fileName(file, 'handoff'))
        const what = `begins at ${file.from}, but the database has no more than ${fate.nextOffset}`
        return { kind: 'aborted', range, error: outOfOrder(path, what) }
      }
    }
  }

  #fail(file: WrittenFile, failure: LateFailure['failures'][number]): void {
    const key = topicPartitionKey(file)
    this.#waiting = this.#waiting.filter((other) => topicPartitionKey(other) !== key)
    const isKnown = this.#broken.has(chainOf(file))
    this.#broken.add(chainOf(file))
    if (isKnown || this.#failure) return
    this.#failure = { batchId: file.batchId, results: [file.result], failures: [failure] }
    for (const listener of this.#listeners) listener()
  }

  async #until(condition: () => boolean, signal: AbortSignal): Promise<void> {
    while (!condition() && !signal.aborted) await this.#bell.wait(signal)
  }

  #isFull(): boolean {
    return this.#waiting.length >= this.#limits.maxFiles || this.#bytes() >= this.#limits.maxBytes
  }

  #bytes(): number {
    return this.#waiting.reduce((sum, { bytes }) => sum + bytes, 0)
  }
}

/** How long a commit waits for files that may hold what has failed: a stop cannot end before it. */
const SUSPECT_PATIENCE_MS = 10_000
/** How long a stop waits for the transaction at hand. */
const CLOSE_PATIENCE_MS = 2_000

function chainOf(file: FileId): string {
  return `${file.claimId} ${topicPartitionKey(file)}`
}

function isSameRange(a: OffsetRange, b: OffsetRange): boolean {
  return a.from === b.from && topicPartitionKey(a) === topicPartitionKey(b)
}

/** Of a batch that comes after one that has failed. */
function voided(range: RangeOutcome['range']): RangeOutcome {
  const error = new OncesinkError(
    'TRANSACTION_ABORTED',
    'a batch before this one did not get into the database',
  )
  return { kind: 'aborted', range, error }
}
