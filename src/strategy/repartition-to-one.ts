import { commitBatch } from '../database/protocol/commit-batch.ts'
import { OncesinkError } from '../errors.ts'
import { describeValue } from '../model/excerpt.ts'
import { unknownOption } from '../model/known-options.ts'
import { isPlainObject } from '../model/plain-object.ts'
import { ChunkWriter } from './chunk-writer.ts'
import type { ChunkLimits, StrategyParts, StrategyPlan, StreamStrategy } from './strategy.ts'

export interface RepartitionToOneOptions {
  /**
   * Most records of one chunk. Two chunks are in memory at once: one is written while the next one is fetched and
   * computed. @default 10000, 40000 where rows are written from the records' bytes; 1 to 1 million
   */
  readonly chunkRecords?: number | undefined
  /**
   * Most bytes of the records of one chunk, as fetched; `limits.maxBytesPerBatch` may allow less. A record that has more
   * comes alone. @default 1048576 (1 MiB), four times as many where rows are written from the records' bytes; 1 to 1 GiB
   */
  readonly chunkBytes?: number | undefined
  /**
   * Milliseconds that the open transaction waits for the next chunk, when the brokers are away. Then it is rolled back, and
   * the batch is read again. @default 10000, 100 to 2147483647
   */
  readonly maxStallMs?: number | undefined
  /**
   * Milliseconds that the chunks of one batch may take in all. Then the transaction is rolled back, and the batch is run
   * again with fewer records. @default 300000 (5 minutes), 1000 to 2147483647
   */
  readonly maxOpenMs?: number | undefined
}

const MAX_TIMER_MS = 2 ** 31 - 1

/** How much larger chunks are whose rows are text: they take a fraction of the memory of objects. */
const TEXT_FACTOR = 4

const ranges = {
  chunkRecords: { byDefault: 10_000, lowest: 1, highest: 1_000_000 },
  chunkBytes: { byDefault: 2 ** 20, lowest: 1, highest: 2 ** 30 },
  maxStallMs: { byDefault: 10_000, lowest: 100, highest: MAX_TIMER_MS },
  maxOpenMs: { byDefault: 300_000, lowest: 1_000, highest: MAX_TIMER_MS },
} as const

/**
 * One writer for everything: the output rows of all partition tasks flow to it, chunk by chunk, and it streams them into
 * one open transaction, however many there are. Atomic unit: the batch. For large output that is not aggregated.
 *
 * Ranges are fixed before BEGIN, by what the log is known to have; their compare-and-set comes first, then the rows of one
 * chunk after the other, the ledger last. Rows of one partition arrive in the order of their offsets; those of several
 * partitions take turns, chunk by chunk, and in partition order inside of a chunk.
 *
 * `append`, `upsert` and `write` of rows are called for each chunk, in the same transaction. Aggregates and the results of
 * `reduce` are gathered, and written once: of those there must not be more than memory holds.
 * @throws OncesinkError CONFIGURATION_INVALID for an option that does not exist or is out of its range
 */
export function repartitionToOne(options: RepartitionToOneOptions = {}): StrategyPlan {
  const limits = readLimits(options)
  const ofText = Object.freeze({
    ...limits,
    ...(options.chunkRecords === undefined && { maxRecords: limits.maxRecords * TEXT_FACTOR }),
    ...(options.chunkBytes === undefined && { maxBytes: limits.maxBytes * TEXT_FACTOR }),
  })
  return Object.freeze({
    name: 'repartitionToOne',
    create: (parts: StrategyParts) => create(parts, limits, ofText),
  })
}

function create(
  { session, pipelines }: StrategyParts,
  limits: ChunkLimits,
  ofText: ChunkLimits,
): StreamStrategy {
  /** Known from the first chunk on: all chunks of a job are alike. */
  let isText = false
  return {
    name: 'repartitionToOne',
    unit: 'stream',
    get chunks() {
      return isText ? ofText : limits
    },
    async commit(batch) {
      const { batchId, deadLetterLimit } = batch
      const toCommit = { batchId, ranges: batch.ranges, deadLetterLimit }
      const report = await commitBatch(session, toCommit, async (trx) => {
        const writer = new ChunkWriter(session.job, batchId, pipelines)
        let rows = 0
        for await (const chunk of batch.chunks) {
          isText = chunk.some(({ partials }) => partials.some(({ kind }) => kind === 'row text'))
          rows += await writer.take(trx, chunk)
        }
        const contents = batch.contents()
        rows += await writer.end(trx, contents)
        return { rows, contents }
      })
      const { outcomes, rows, ...phases } = report
      return { outcomes, rows, phases }
    },
  }
}

function readLimits(options: RepartitionToOneOptions): ChunkLimits {
  const given: Readonly<Record<string, unknown>> = isPlainObject(options) ? options : {}
  if (!isPlainObject(options)) throw invalid(`takes an options object, but got ${describeValue(options)}`)
  const unknown = unknownOption('repartitionToOne', options, Object.keys(ranges))
  if (unknown !== null) throw new OncesinkError('CONFIGURATION_INVALID', unknown)
  const read = (option: keyof typeof ranges): number => {
    const { byDefault, lowest, highest } = ranges[option]
    const value = given[option] ?? byDefault
    if (typeof value === 'number' && Number.isInteger(value) && value >= lowest && value <= highest)
      return value
    throw invalid(
      `'${option}' must be an integer from ${lowest} to ${highest}, but is ${describeValue(value)}`,
    )
  }
  return Object.freeze({
    maxRecords: read('chunkRecords'),
    maxBytes: read('chunkBytes'),
    maxStallMs: read('maxStallMs'),
    maxOpenMs: read('maxOpenMs'),
  })
}

function invalid(problem: string): OncesinkError {
  return new OncesinkError('CONFIGURATION_INVALID', `repartitionToOne: ${problem}`)
}
