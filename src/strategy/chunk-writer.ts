import { collectPartials } from '../aggregation/collect.ts'
import type { PartialResult } from '../aggregation/partial-result.ts'
import type { Transaction } from '../database/dialect.ts'
import { invariant } from '../errors.ts'
import type { PartitionResult } from '../executor/executor.ts'
import type { BatchInfo } from '../model/micro-batch.ts'
import { sortedByPartition, type TopicPartition, topicPartitionKey } from '../model/topic-partition.ts'
import type { PipelinePlan } from '../pipeline/plan.ts'
import { deliver } from '../sink/deliver.ts'

type Chunk = readonly PartitionResult[]

/** Where one pipeline's part of every chunk goes. */
interface Outlet {
  /** Takes one chunk, and returns the rows that it has written. */
  take(trx: Transaction, chunk: Chunk): Promise<number>
  /** All chunks have been taken: writes what is left, and returns its rows. */
  end(trx: Transaction, info: BatchInfo): Promise<number>
}

/**
 * Writes the chunks of one batch, each pipeline in its own way. Rows go to the sink with their chunk and are forgotten.
 * Groups and reduced values are gathered and go there once, at the end, as they would if the batch were in memory: there
 * are few of them, and a writer that met its keys again with every chunk would lock them in no order.
 */
export class ChunkWriter {
  readonly #job: string
  readonly #batchId: string
  readonly #outlets: readonly Outlet[]

  constructor(job: string, batchId: string, pipelines: readonly PipelinePlan[]) {
    this.#job = job
    this.#batchId = batchId
    this.#outlets = pipelines.map((pipeline, i) =>
      pipeline.terminal.kind === 'rows'
        ? streaming(pipeline, i, (chunk) => this.#info(chunk))
        : gathering(pipeline, i),
    )
  }

  /** @throws OncesinkError what the sinks throw */
  async take(trx: Transaction, chunk: Chunk): Promise<number> {
    let rows = 0
    for (const outlet of this.#outlets) rows += await outlet.take(trx, chunk)
    return rows
  }

  /** @param ranges what the whole ranges have held */
  async end(trx: Transaction, ranges: readonly BatchPart[]): Promise<number> {
    const info = this.#info(ranges)
    let rows = 0
    for (const outlet of this.#outlets) rows += await outlet.end(trx, info)
    return rows
  }

  #info(parts: readonly BatchPart[]): BatchInfo {
    return {
      batchId: this.#batchId,
      job: this.#job,
      ranges: parts.map(({ range }) => range),
      records: parts.reduce((sum, { records }) => sum + records, 0),
      deadLetters: parts.reduce((sum, { deadLetters }) => sum + deadLetters.length, 0),
    }
  }
}

type BatchPart = Pick<PartitionResult, 'range' | 'records' | 'deadLetters'>

function streaming(pipeline: PipelinePlan, i: number, infoOf: (chunk: Chunk) => BatchInfo): Outlet {
  return {
    take(trx, chunk) {
      const partials = chunk.map((result) => partialAt(result, i))
      return deliver(trx, pipeline, collectPartials(pipeline.terminal, partials), infoOf(chunk))
    },
    end: async () => 0,
  }
}

function gathering(pipeline: PipelinePlan, i: number): Outlet {
  const { terminal } = pipeline
  /** One partial result per partition: what is merged over partitions is merged in partition order, at the end. */
  const gathered = new Map<string, TopicPartition & { readonly partial: PartialResult }>()
  return {
    async take(_trx, chunk) {
      for (const result of chunk) {
        const { topic, partition } = result.range
        const key = topicPartitionKey(result.range)
        const before = gathered.get(key)
        const partial = partialAt(result, i)
        const merged = before ? collectPartials(terminal, [before.partial, partial]) : partial
        gathered.set(key, { topic, partition, partial: merged })
      }
      return 0
    },
    end(trx, info) {
      const partials = sortedByPartition(gathered.values()).map(({ partial }) => partial)
      return deliver(trx, pipeline, collectPartials(terminal, partials), info)
    },
  }
}

function partialAt({ partials }: PartitionResult, i: number): PartialResult {
  const partial = partials[i]
  invariant(partial !== undefined, 'a partition task gives one partial result per pipeline')
  return partial
}
