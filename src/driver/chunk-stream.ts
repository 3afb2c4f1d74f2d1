import { asError, invariant, OncesinkError } from '../errors.ts'
import type { BatchPlan, Executor, PartitionResult } from '../executor/executor.ts'
import type { DeadLetter } from '../model/dead-letter.ts'
import { formatRange, type OffsetRange } from '../model/offset-range.ts'
import { type TopicPartition, topicPartitionKey } from '../model/topic-partition.ts'
import type { Clock } from '../runtime/clock.ts'
import { type LinkedAbort, linkedAbort } from '../runtime/linked-abort.ts'
import { addDigests } from '../source/range-digest.ts'
import type { ChunkLimits } from '../strategy/strategy.ts'

/** How long the executor is asked to wait for records at a time, in milliseconds. */
const MAX_WAIT_MS = 200

export interface ChunkStreamOptions {
  readonly executor: Pick<Executor, 'compute'>
  readonly clock: Clock
  readonly limits: ChunkLimits
  /** What the batch was planned with. */
  readonly plan: Pick<BatchPlan, 'maxBytes' | 'condemned'>
  /** Of the batch, in partition order; each begins where its stretch in {@link first} does. */
  readonly ranges: readonly OffsetRange[]
  /** The chunk that has been computed already. */
  readonly first: readonly PartitionResult[]
  /** What else is read, and from where: nothing is taken of it meanwhile. */
  readonly held: readonly (TopicPartition & { readonly nextOffset: bigint })[]
  /** Aborted when the job is to stop: a batch that is not read to its end is then given up. */
  readonly stop: AbortSignal
}

type Chunk = readonly PartitionResult[]

/** How far one range has been handed out. */
interface Progress {
  readonly range: OffsetRange
  reached: bigint
  records: number
  readonly deadLetters: DeadLetter[]
  digest: bigint | null
  lastOffset: bigint | null
  bytes: number
  leaderEpoch: number
}

/**
 * The chunks of a batch whose ranges are fixed, one read ahead: while one is being written, the next one is fetched and
 * computed.
 *
 * States: `new` -> (it is iterated) -> `reading` -> (the last chunk was read, reading has failed, the iteration was left)
 * -> `ended`; any -> close() -> `ended`. Once it has ended, the executor is free for the next batch.
 */
export class ChunkStream implements AsyncIterable<Chunk> {
  readonly ranges: readonly OffsetRange[]
  /** Resolves when nothing more is asked of the executor. */
  readonly ended: Promise<void>
  readonly #options: ChunkStreamOptions
  readonly #ranges: ReadonlyMap<string, Progress>
  /** Exclusive bounds of everything that is read. */
  readonly #until: ReadonlyMap<string, bigint>
  readonly #waiting: LinkedAbort
  #end: () => void = () => {}
  #computing: Promise<Chunk> = Promise.resolve([])
  #beganAtMs = 0
  #failure: Error | null = null
  #isAbandoned = false

  constructor(options: ChunkStreamOptions) {
    const { ranges, held, stop } = options
    this.#options = options
    this.ranges = ranges
    const bounds = [
      ...held.map((tp) => [tp, tp.nextOffset] as const),
      ...ranges.map((r) => [r, r.until] as const),
    ]
    this.#until = new Map(bounds.map(([tp, until]) => [topicPartitionKey(tp), until]))
    this.#ranges = new Map(ranges.map((range) => [topicPartitionKey(range), progressOf(range)]))
    this.#waiting = linkedAbort(stop)
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  /** What computing has failed with, or null; not that it was left, or came too late. */
  get failure(): Error | null {
    return this.#failure
  }

  /** Whether it was given up because the job is to stop. */
  get isAbandoned(): boolean {
    return this.#isAbandoned
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Chunk, void, void> {
    this.#beganAtMs = this.#options.clock.monotonicMs()
    let chunk = this.#options.first
    try {
      for (;;) {
        this.#account(chunk)
        if (this.#isComplete()) {
          this.#end()
          yield chunk
          return
        }
        const reading = this.#read()
        // It is awaited when the chunk has been written; a rejection before that is not unhandled.
        reading.catch(() => {})
        yield chunk
        chunk = await reading
      }
    } finally {
      this.close()
    }
  }

  /** What was handed out of each range, in their order. */
  contents(): readonly Progress[] {
    return [...this.#ranges.values()]
  }

  /** The same as results: of ranges of which nothing was handed out there is none. */
  results(): PartitionResult[] {
    const computeMs = this.#options.first.reduce((sum, result) => sum + result.computeMs, 0)
    return this.contents()
      .filter(({ range, reached }) => reached > range.from)
      .map(({ range, reached, ...rest }, i) => ({
        ...rest,
        range: reached === range.until ? range : { ...range, until: reached },
        computeMs: i === 0 ? computeMs : 0,
        partials: [],
      }))
  }

  /** Reads no further. What is being computed is left to come to its end: nobody waits for it but {@link ended}. */
  close(): void {
    this.#waiting.abort()
    this.#waiting.unlink()
    this.#computing.then(this.#end, this.#end)
  }

  #isComplete(): boolean {
    return this.contents().every(({ range, reached }) => reached === range.until)
  }

  /** Stretches of one range follow each other without a gap. */
  #account(chunk: Chunk): void {
    for (const { range, records, deadLetters, digest, lastOffset, bytes, leaderEpoch } of chunk) {
      const progress = this.#ranges.get(topicPartitionKey(range))
      invariant(
        progress && range.from === progress.reached && range.until <= progress.range.until,
        `${formatRange(range)} came, which is not how ${progress ? formatRange(progress.range) : 'the batch'} goes on`,
      )
      progress.reached = range.until
      progress.records += records
      progress.deadLetters.push(...deadLetters)
      progress.digest = digest === null ? null : addDigests(progress.digest ?? 0n, digest)
      progress.lastOffset = lastOffset ?? progress.lastOffset
      progress.bytes += bytes
      progress.leaderEpoch = leaderEpoch
    }
  }

  async #read(): Promise<Chunk> {
    const { clock, limits } = this.#options
    const waitsUntilMs = clock.monotonicMs() + limits.maxStallMs
    for (;;) {
      this.#refuseToGoOn()
      const leftMs = waitsUntilMs - clock.monotonicMs()
      const chunk = leftMs > 0 ? await this.#within(leftMs) : null
      if (chunk === null) {
        this.#refuseToGoOn()
        throw stalled(this.#unread(), limits)
      }
      if (chunk.length > 0) return chunk
    }
  }

  /** @throws OncesinkError why no more is read of the batch */
  #refuseToGoOn(): void {
    const { clock, limits, stop } = this.#options
    if (stop.aborted) throw this.#abandon()
    if (clock.monotonicMs() - this.#beganAtMs >= limits.maxOpenMs) throw openTooLong(this.ranges, limits)
  }

  /** The next chunk, perhaps an empty one; null when it takes longer than so many milliseconds, or the batch is given up meanwhile. */
  async #within(limitMs: number): Promise<Chunk | null> {
    this.#computing = this.#compute(Math.min(MAX_WAIT_MS, limitMs))
    const patience = linkedAbort(this.#waiting.signal)
    const over = this.#options.clock.sleep(limitMs, patience.signal).then(() => null)
    try {
      return await Promise.race([this.#computing, over])
    } finally {
      patience.abort()
      patience.unlink()
    }
  }

  async #compute(maxWaitMs: number): Promise<Chunk> {
    const { executor, plan, limits } = this.#options
    const chunkPlan: BatchPlan = {
      ...(plan.condemned ? { condemned: plan.condemned } : {}),
      maxRecords: limits.maxRecords,
      maxBytes: Math.min(limits.maxBytes, plan.maxBytes ?? limits.maxBytes),
      maxWaitMs,
      includeEmptyRanges: true,
      order: 'fair',
      until: this.#until,
      deadLettersBefore: this.contents().reduce((sum, { deadLetters }) => sum + deadLetters.length, 0),
    }
    try {
      return await executor.compute(chunkPlan, this.#waiting.signal)
    } catch (error) {
      this.#failure = asError(error)
      throw error
    }
  }

  #abandon(): OncesinkError {
    this.#isAbandoned = true
    return new OncesinkError(
      'TRANSACTION_ABORTED',
      'the job is to stop: a batch that is not read to its end is rolled back, and the next start reads it again',
    )
  }

  #unread(): string {
    const { range, reached } = this.contents().find((part) => part.reached < part.range.until) ?? {}
    return range ? `${topicPartitionKey(range)} from offset ${reached} to ${range.until}` : 'nothing'
  }
}

function progressOf(range: OffsetRange): Progress {
  return {
    range,
    reached: range.from,
    records: 0,
    deadLetters: [],
    digest: null,
    lastOffset: null,
    bytes: 0,
    leaderEpoch: -1,
  }
}

function stalled(unread: string, { maxStallMs }: ChunkLimits): OncesinkError {
  return new OncesinkError(
    'TRANSACTION_ABORTED',
    `nothing has come for ${maxStallMs} ms (maxStallMs) while a transaction was open for it: ${unread} is still to be read and ` +
      'computed. The transaction is rolled back, and the batch is read again.',
  )
}

function openTooLong(ranges: readonly OffsetRange[], { maxOpenMs }: ChunkLimits): OncesinkError {
  return new OncesinkError(
    'STATEMENT_TIMEOUT',
    `the rows of ${ranges.map(formatRange).join(', ')} have taken more than ${maxOpenMs} ms (maxOpenMs): the transaction is rolled ` +
      'back, and the batch is run again with fewer records. Let batches have less (limits.maxRecordsPerBatch, rate.targetBatchMs), or ' +
      'raise maxOpenMs.',
  )
}
