import { asError, invariant, OncesinkError } from '../../errors.ts'
import type { PartitionResult } from '../../executor/executor.ts'
import type { Claim } from '../../model/claim.ts'
import { formatRange } from '../../model/offset-range.ts'
import type { RangeOutcome } from '../../model/outcome.ts'
import type { PipelinePlan } from '../../pipeline/plan.ts'
import type { ComputedBatch, FailedResult } from '../strategy.ts'
import { describePartial, encodeFile } from './file-content.ts'
import type { FileHeader } from './file-header.ts'
import { type FileId, fileName } from './file-name.ts'
import type { Packing } from './gzip-members.ts'
import type { HandoffStore } from './store.ts'

export interface FileWriterDeps {
  readonly store: HandoffStore
  readonly pipelines: readonly PipelinePlan[]
  readonly job: string
  readonly shape: string
  readonly clusterId: () => Promise<string>
  readonly packing: Packing
}

export interface WrittenFile extends FileId {
  readonly batchId: string
  readonly bytes: number
  /** What must be known of it in case that it is rejected. */
  readonly result: FailedResult
}

export interface WriteReport {
  /** One for each result. */
  readonly outcomes: readonly RangeOutcome[]
  /** Those that are durable, in partition order. */
  readonly files: readonly WrittenFile[]
  /** Lines of results in them. */
  readonly rows: number
}

/** Files of a batch that are written at the same time. */
const AT_ONCE = 8

/** Writes the files of a batch: one per partition's range. */
export class FileWriter {
  readonly #deps: FileWriterDeps
  #clusterId: string | null = null

  constructor(deps: FileWriterDeps) {
    this.#deps = deps
  }

  async write({ batchId, results, claims }: ComputedBatch): Promise<WriteReport> {
    const outcomes: RangeOutcome[] = []
    const files: WrittenFile[] = []
    let rows = 0
    for (let first = 0; first < results.length; first += AT_ONCE) {
      const some = results.slice(first, first + AT_ONCE)
      const written = await Promise.all(
        some.map(async (result, i) => {
          const claim = claims[first + i]
          invariant(claim, 'every range of a batch has a claim')
          return await this.#writeOne(batchId, result, claim)
        }),
      )
      for (const { outcome, file, rows: lines } of written) {
        outcomes.push(outcome)
        if (!file) continue
        files.push(file)
        rows += lines
      }
    }
    return { outcomes, files, rows }
  }

  async #writeOne(batchId: string, result: PartitionResult, claim: Claim) {
    const { range, records, lastOffset, deadLetters } = result
    const { store } = this.#deps
    try {
      const header = await this.#headerOf(batchId, result, claim)
      const bytes = await this.#encode(header, result)
      await store.write(header, fileName(header, 'tmp'), fileName(header, 'handoff'), bytes)
      const { topic, partition, from, until, epoch, claimId } = header
      const id = { topic, partition, from, until, epoch, claimId }
      const known = { range, records, lastOffset, deadLetters }
      const file: WrittenFile = { ...id, batchId, bytes: bytes.length, result: known }
      const rows = header.pipelines.reduce((sum, pipeline) => sum + pipeline.rows, 0)
      return { outcome: { kind: 'committed', range } as const, file, rows }
    } catch (thrown) {
      const error = asError(thrown)
      if (error instanceof OncesinkError && error.disposition === 'crash') throw error
      return { outcome: { kind: 'aborted', range, error } as const, file: null, rows: 0 }
    }
  }

  async #encode(header: FileHeader, { range, deadLetters, partials }: PartitionResult) {
    try {
      return await encodeFile({ header, deadLetters, partials }, this.#deps.packing)
    } catch (error) {
      throw new OncesinkError(
        'JOB_FUNCTION_FAILED',
        `the result of ${formatRange(range)} cannot be written to a file: ${asError(error).message}. fileHandoff takes plain ` +
          'objects, arrays, Map, Set, Date, Buffer, bigint and other primitives: convert it in the pipeline, or use another strategy.',
        { cause: error, partition: range },
      )
    }
  }

  async #headerOf(batchId: string, result: PartitionResult, claim: Claim): Promise<FileHeader> {
    const { job, shape, pipelines, clusterId } = this.#deps
    this.#clusterId ??= await clusterId()
    const { range, records, lastOffset, deadLetters, digest, leaderEpoch, partials } = result
    return {
      job,
      clusterId: this.#clusterId,
      shape,
      topicId: claim.topicId,
      topic: range.topic,
      partition: range.partition,
      from: range.from,
      until: range.until,
      claimId: claim.claimId,
      epoch: claim.epoch,
      incarnation: claim.incarnation,
      leaderEpoch,
      batchId,
      records,
      lastOffset,
      deadLetters: deadLetters.length,
      digest,
      pipelines: pipelines.map(({ sink }, i) => {
        const partial = partials[i]
        invariant(partial, 'a partition task gives one partial result per pipeline')
        return { sink: sink.kind, table: 'table' in sink ? sink.table : null, ...describePartial(partial) }
      }),
    }
  }
}
