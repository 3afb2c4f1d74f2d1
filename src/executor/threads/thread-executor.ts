import { invariant, OncesinkError } from '../../errors.ts'
import type { PoisonPolicy } from '../../model/dead-letter.ts'
import {
  compareTopicPartitions,
  sortedByPartition,
  type TopicPartition,
  topicPartitionKey,
} from '../../model/topic-partition.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { type Portion, shareBatch, type Taker } from '../../source/share-fairly.ts'
import type { PartitionOffer, PartitionProgress, SeekPosition } from '../../source/source.ts'
import type { JobEventBus } from '../../telemetry/events.ts'
import { refuseTooMany } from '../dead-letters.ts'
import {
  areSeparate,
  type BatchPlan,
  type Executor,
  type PartitionResult,
  type WorkerThreadsPlan,
} from '../executor.ts'
import { Assignment } from './assignment.ts'
import { decodeResult } from './encode-result.ts'
import { Watchdog } from './watchdog.ts'
import { type Asked, type Launch, WorkerHandle } from './worker-handle.ts'

/** How long a worker may take to close its connections before its thread is ended, in milliseconds. */
const CLOSING_MS = 2_000

export interface ThreadExecutorDeps {
  readonly plan: WorkerThreadsPlan
  /** How long a worker may take to load the job, in milliseconds, where that is more than it may be silent later. */
  readonly startupTimeoutMs: number
  /** What makes up the job, by name: it must be the same in every worker. */
  readonly parts: Readonly<Record<string, string>>
  readonly poison: PoisonPolicy
  readonly launch: Launch
  readonly runtime: Runtime
  readonly events: JobEventBus
}

const nothing: Portion = { records: 0, bytes: 0 }

/** What one worker is to do for a batch. */
interface Share {
  readonly worker: WorkerHandle
  readonly plan: BatchPlan
}

/**
 * Runs partition tasks in worker threads. Every partition belongs to one worker, which reads it with a source of its
 * own; workers are asked what they could take, and given shares of the batch. All that this thread knows of a partition
 * is its next offset and its generation.
 *
 * States: `new` -> open() -> `running` -> (a worker ends, is stuck) -> `failed`, for good; any -> close() -> `closed`.
 * Per partition as in the inline executor: `reading` at a generation; seek and drop begin a new one, and a result that was
 * taken in an earlier one is dropped, wherever it was on its way.
 */
export function createThreadExecutor(deps: ThreadExecutorDeps): Executor {
  return new ThreadExecutor(deps)
}

class ThreadExecutor implements Executor {
  readonly #deps: ThreadExecutorDeps
  readonly #assignment: Assignment
  readonly #closing = new AbortController()
  #workers: readonly WorkerHandle[] = []
  #watching: Promise<void> = Promise.resolve()
  /** The generation that began last; those of partitions are taken from it. */
  #generation = 0
  readonly #generations = new Map<string, number>()
  /** Next offset of each partition that is read. */
  readonly #positions = new Map<string, bigint>()
  #turn = 0
  #failure: OncesinkError | null = null
  readonly #failing = new AbortController()

  constructor(deps: ThreadExecutorDeps) {
    this.#deps = deps
    this.#assignment = new Assignment(deps.plan.count)
  }

  get failed(): AbortSignal {
    return this.#failing.signal
  }

  async open(): Promise<void> {
    if (this.#workers.length === 0) this.#launch()
    const asked = this.#workers.map((worker) => worker.ask({ kind: 'open' }))
    for (const parts of await allAnswers(asked)) this.#compareParts(parts)
  }

  #launch(): void {
    const { plan, startupTimeoutMs, launch, events, runtime } = this.#deps
    this.#workers = Array.from({ length: plan.count }, (_, index) => {
      const thread = launch(index)
      return new WorkerHandle(index + 1, thread, events, (error) => this.#fail(error))
    })
    const vitals = this.#workers.map((worker) => worker.vitals)
    const watchdog = new Watchdog(plan.workerTimeoutMs, startupTimeoutMs, vitals)
    this.#watching = watchdog.watch(runtime.clock, this.#closing.signal).then((index) => {
      const worker = index === null ? undefined : this.#workers[index]
      if (worker) this.#fail(stuck(worker, plan, startupTimeoutMs))
    })
  }

  #fail(error: OncesinkError): void {
    this.#failure ??= error
    for (const worker of this.#workers) worker.fail(this.#failure)
    this.#failing.abort()
  }

  #compareParts(parts: Readonly<Record<string, string>>): void {
    const own = this.#deps.parts
    const different = Object.keys(own).filter((name) => own[name] !== parts[name])
    if (different.length === 0) return
    throw new OncesinkError(
      'CONFIGURATION_INVALID',
      `the job that a worker thread has loaded from ${this.#deps.plan.module} is not the job that was started: its ${different.join(', its ')} ` +
        'differ. Let workerThreads({ module }) name the module that exports this very job as its default, and let the module ' +
        'make the same job each time it is loaded',
    )
  }

  async seek(positions: readonly SeekPosition[]): Promise<void> {
    const generation = this.#begin(positions)
    for (const position of positions) this.#positions.set(topicPartitionKey(position), position.nextOffset)
    const byWorker = new Map<number, SeekPosition[]>()
    for (const position of positions) {
      const index = this.#assignment.assign(position)
      byWorker.set(index, [...(byWorker.get(index) ?? []), position])
    }
    const asked = [...byWorker].map(([index, of]) =>
      this.#worker(index).ask({ kind: 'seek', positions: of.map(plainPosition), generation }),
    )
    await allAnswers(asked)
  }

  drop(partitions: readonly TopicPartition[]): void {
    const generation = this.#begin(partitions)
    for (const tp of partitions) {
      this.#positions.delete(topicPartitionKey(tp))
      const index = this.#assignment.remove(tp)
      if (index !== null) this.#worker(index).drop([tp], generation)
    }
  }

  #begin(partitions: readonly TopicPartition[]): number {
    this.#generation += 1
    for (const tp of partitions) this.#generations.set(topicPartitionKey(tp), this.#generation)
    return this.#generation
  }

  async compute(plan: BatchPlan, signal: AbortSignal): Promise<PartitionResult[]> {
    if (this.#failure) throw this.#failure
    if (this.#assignment.busy().length === 0) {
      await this.#deps.runtime.clock.sleep(plan.maxWaitMs, signal)
      return []
    }
    const shares = await (plan.order === 'sequential'
      ? this.#inTurn(plan, signal)
      : this.#fairly(plan, signal))
    const results = await this.#run(shares, signal)
    if (results.length === 0) return []
    // Records are fetched and computed in one go, elsewhere.
    await this.#deps.runtime.faultPoints.reach('batch.fetched')
    await this.#deps.runtime.faultPoints.reach('batch.computed')
    const sorted = this.#fresh(results).sort((a, b) => compareTopicPartitions(a.range, b.range))
    refuseTooMany(sorted, this.#deps.poison, plan.deadLettersBefore)
    return sorted
  }

  /** Results of the generation that goes on; all of them where it cannot be told what the others have added. */
  #fresh(
    tagged: readonly { readonly generation: number; readonly result: PartitionResult }[],
  ): PartitionResult[] {
    const all = tagged.map(({ result }) => result)
    const fresh = tagged
      .filter(({ generation, result }) => generation === this.#generationOf(result.range))
      .map(({ result }) => result)
    return fresh.length === 0 || areSeparate(all) ? fresh : all
  }

  /** Every partition with records gets its share of the batch, whichever worker reads it. */
  async #fairly(plan: BatchPlan, signal: AbortSignal): Promise<Share[]> {
    const offers = await this.#offers(plan, signal)
    const portions = shareBatch(offers.map(takerOf), plan, this.#turn++)
    const perWorker = new Map<number, Portion>()
    // Whoever gets nothing this time is left alone: a worker shares among its partitions by itself.
    const until = new Map(plan.until)
    for (const [i, offer] of offers.entries()) {
      const index = this.#assignment.workerOf(offer)
      const { records, bytes } = portions[i] ?? nothing
      if (index === null) continue
      if (offer.records > 0 && records === 0) until.set(topicPartitionKey(offer), this.#positionOf(offer))
      if (records === 0 && !plan.includeEmptyRanges) continue
      const before = perWorker.get(index) ?? nothing
      perWorker.set(index, {
        records: before.records + records,
        bytes: before.bytes + (records === 0 ? 0 : bytes),
      })
    }
    const total = [...perWorker.values()].reduce((sum, { bytes }) => sum + bytes, 0)
    return [...perWorker].map(([index, { records, bytes }]) => ({
      worker: this.#worker(index),
      plan: {
        ...plan,
        ...bytesLimit(plan, bytes, total),
        until,
        order: 'fair',
        maxRecords: records,
        maxWaitMs: 0,
      },
    }))
  }

  /**
   * The first partition that has not reached its bound, and no other: one worker at a time, one range per batch.
   * Partitions without a bound are passed over while they have nothing.
   */
  async #inTurn(plan: BatchPlan, signal: AbortSignal): Promise<Share[]> {
    let offers: readonly PartitionOffer[] | null = null
    for (const tp of this.#assignment.partitions()) {
      const bound = plan.until?.get(topicPartitionKey(tp))
      if (bound !== undefined && this.#positionOf(tp) >= bound) continue
      if (bound !== undefined) return [this.#onlyFrom(tp, plan)]
      offers ??= await this.#offers(plan, signal)
      if (offers.some((offer) => compareTopicPartitions(offer, tp) === 0)) return [this.#onlyFrom(tp, plan)]
    }
    return []
  }

  #onlyFrom(tp: TopicPartition, plan: BatchPlan): Share {
    const index = this.#assignment.workerOf(tp)
    invariant(index !== null, `${topicPartitionKey(tp)} belongs to a worker`)
    const until = new Map(plan.until)
    for (const other of this.#assignment.partitions()) {
      if (compareTopicPartitions(other, tp) !== 0)
        until.set(topicPartitionKey(other), this.#positionOf(other))
    }
    return { worker: this.#worker(index), plan: { ...plan, until } }
  }

  /** What could be taken, over all workers. As soon as one of them has records, none waits any longer. */
  async #offers(plan: BatchPlan, signal: AbortSignal): Promise<PartitionOffer[]> {
    const { condemned: _, ...limits } = plan
    const asked = this.#assignment.busy().map((index) => this.#worker(index).ask({ kind: 'offer', limits }))
    const cease = ceaseAll(asked)
    for (const { answer } of asked) {
      answer.then(
        (offers) => offers.some(({ records }) => records > 0) && cease(),
        // It is told to whoever waits for all of them.
        cease,
      )
    }
    return sortedByPartition((await unlessAborted(signal, cease, () => allAnswers(asked))).flat())
  }

  async #run(shares: readonly Share[], signal: AbortSignal) {
    const asked = shares.map(({ worker, plan }) => worker.ask({ kind: 'compute', plan }))
    const answers = await unlessAborted(signal, ceaseAll(asked), () => allAnswers(asked))
    const results = answers
      .flat()
      .map(({ generation, result }) => ({ generation, result: decodeResult(result) }))
    for (const { generation, result } of results) {
      const { range } = result
      if (generation !== this.#generationOf(range)) continue
      const position = this.#positionOf(range)
      invariant(
        range.from === position,
        `a worker has read ${topicPartitionKey(range)} from ${range.from}, not from ${position}`,
      )
      this.#positions.set(topicPartitionKey(range), range.until)
    }
    return results
  }

  progress(): PartitionProgress[] {
    const known = this.#workers.flatMap((worker, index) =>
      worker.progress.filter((progress) => this.#assignment.workerOf(progress) === index),
    )
    return sortedByPartition(known)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#watching
    const deadline = new AbortController()
    const closed = Promise.all(this.#workers.map((worker) => worker.close(deadline.signal)))
    const over = this.#deps.runtime.clock.sleep(CLOSING_MS, deadline.signal).then(() => deadline.abort())
    await closed
    deadline.abort()
    await over
  }

  #worker(index: number): WorkerHandle {
    const worker = this.#workers[index]
    invariant(worker, 'workers are launched before anything is asked of them')
    return worker
  }

  #generationOf(tp: TopicPartition): number {
    return this.#generations.get(topicPartitionKey(tp)) ?? 0
  }

  #positionOf(tp: TopicPartition): bigint {
    const position = this.#positions.get(topicPartitionKey(tp))
    invariant(position !== undefined, `${topicPartitionKey(tp)} is read from a position`)
    return position
  }
}

/** An offer says what all of its records have, and the first of them: those in between count in equal parts. */
function takerOf({ records: available, bytes, firstBytes }: PartitionOffer): Taker {
  const perRecord = available > 1 ? (bytes - firstBytes) / (available - 1) : 0
  return {
    available,
    bytesOf: (records) => (records === 0 ? 0 : Math.ceil(firstBytes + (records - 1) * perRecord)),
    recordsWithin: (most) => {
      if (most < firstBytes) return 0
      return perRecord === 0 ? available : 1 + Math.floor((most - firstBytes) / perRecord)
    },
  }
}

/** A worker's part of the bytes of a batch: its part of what all are to take, so that nothing is left over. */
function bytesLimit({ maxBytes }: BatchPlan, bytes: number, total: number): Pick<BatchPlan, 'maxBytes'> {
  if (maxBytes === undefined) return {}
  return { maxBytes: Math.max(1, total === 0 ? 1 : Math.floor((maxBytes * bytes) / total)) }
}

/** Claims come as positions; what else is in them stays here. */
function plainPosition({ topic, partition, nextOffset, leaderEpoch, topicId }: SeekPosition): SeekPosition {
  return { topic, partition, nextOffset, leaderEpoch, topicId }
}

function stuck(
  worker: WorkerHandle,
  { workerTimeoutMs, module }: WorkerThreadsPlan,
  startupTimeoutMs: number,
): OncesinkError {
  if (!worker.vitals.look().isReady) {
    const waitedMs = Math.max(workerTimeoutMs, startupTimeoutMs)
    return new OncesinkError(
      'WORKER_TIMEOUT',
      `worker ${worker.number} has not loaded the job within ${waitedMs} ms (limits.startupTimeoutMs): does ${module} come to an end ` +
        'when it is loaded?',
    )
  }
  return new OncesinkError(
    'WORKER_TIMEOUT',
    `worker ${worker.number} has given no sign of life for ${workerTimeoutMs} ms (workerTimeoutMs)${worker.place}: does a function of ` +
      'the job come to no end there? The batch is abandoned; the next start goes on from the stored positions. Mend the job, or raise ' +
      'workerTimeoutMs if a single record may take that long.',
  )
}

/** Tells everybody who was asked not to wait for records any longer. */
function ceaseAll(asked: readonly Asked<unknown>[]): () => void {
  return () => {
    for (const { cease } of asked) cease()
  }
}

/** Runs `work`; calls `cease` when `signal` is or becomes aborted meanwhile. */
async function unlessAborted<T>(signal: AbortSignal, cease: () => void, work: () => Promise<T>): Promise<T> {
  if (signal.aborted) cease()
  signal.addEventListener('abort', cease, { once: true })
  try {
    return await work()
  } finally {
    signal.removeEventListener('abort', cease)
  }
}

/**
 * Waits for all answers: nobody is busy any more when it settles.
 * @throws the error that says most: what trying again does not mend before what it does, then the first in the log
 */
async function allAnswers<T>(asked: readonly Asked<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(asked.map(({ answer }) => answer))
  const errors = settled.flatMap((outcome) =>
    outcome.status === 'rejected' ? [outcome.reason as Error] : [],
  )
  if (errors.length > 0) throw errors.sort(compareErrors)[0]
  return settled.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
}

const gravity = { crash: 0, stop: 1, recover: 2, retry: 3 } as const

function compareErrors(a: Error, b: Error): number {
  const [left, right] = [gravityOf(a), gravityOf(b)]
  if (left !== right) return left - right
  const [from, to] = [recordOf(a), recordOf(b)]
  return from && to ? compareTopicPartitions(from, to) : 0
}

/** What is no error of ours is a defect. */
function gravityOf(error: Error): number {
  return error instanceof OncesinkError ? gravity[error.disposition] : 0
}

function recordOf(error: Error): TopicPartition | undefined {
  return error instanceof OncesinkError ? (error.record ?? error.partition) : undefined
}
