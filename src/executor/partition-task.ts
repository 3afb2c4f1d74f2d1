import type { Decoder } from '../decode/decoder.ts'
import { invariant, OncesinkError } from '../errors.ts'
import { formatRange, type OffsetRange } from '../model/offset-range.ts'
import type { RecordMeta } from '../model/record-meta.ts'
import type { PipelinePlan, RootPlan } from '../pipeline/plan.ts'
import type { Clock } from '../runtime/clock.ts'
import { recordOffset } from '../source/record-fields.ts'
import type { RecordSegment } from '../source/record-segment.ts'
import type { FetchedRange } from '../source/source.ts'
import { type Collector, collectorsOf } from './collectors.ts'
import type { PartitionResult } from './executor.ts'
import { FunctionFailure, recordFailed, refusePromise } from './function-failure.ts'
import { SegmentMeta } from './segment-meta.ts'
import { type Push, throughSteps } from './steps.ts'

/** Decodes one range and runs every pipeline over it. */
export interface PartitionTask {
  /**
   * Pure but for the time it takes: the same range gives the same result.
   * @throws OncesinkError JOB_FUNCTION_FAILED with the record's coordinates; INVARIANT_VIOLATED when the range's
   *   records are not what the range says; the signal's reason when it is aborted meanwhile
   */
  run(fetched: FetchedRange, signal: AbortSignal): Promise<PartitionResult>
}

/** Work is interrupted after this long, so that heartbeats and the commit in flight are not held up. */
const MAX_BUSY_MS = 8

/** Records between two looks at the clock. */
const BLOCK_RECORDS = 256

/** Makes the task of a job: `pipelines` are all of `root`, whose decoder runs once per record. */
export function compilePartitionTask(
  root: RootPlan,
  pipelines: readonly PipelinePlan[],
  clock: Clock,
): PartitionTask {
  const compiled = pipelines.map((pipeline, i) => {
    invariant(pipeline.root === root, 'the pipelines of a job share one root')
    const suffix = pipelines.length === 1 ? '' : `, pipeline ${i + 1}`
    return { steps: pipeline.steps, suffix, newCollector: collectorsOf(pipeline, suffix) }
  })
  return {
    async run(fetched, signal) {
      const collectors = compiled.map(({ newCollector }) => newCollector())
      const pushes = compiled.map(({ steps, suffix }, i) =>
        throughSteps(steps, (collectors[i] as Collector).push, suffix),
      )
      const block = new BlockRunner(root, pushes, fetched.range)
      let busySince = clock.monotonicMs()
      for (const { segment, begin, end } of fetched.slices) {
        block.enter(segment)
        for (let at = begin; at < end; at += BLOCK_RECORDS) {
          block.run(segment, at, Math.min(at + BLOCK_RECORDS, end))
          if (clock.monotonicMs() - busySince < MAX_BUSY_MS) continue
          await clock.yield()
          signal.throwIfAborted()
          busySince = clock.monotonicMs()
        }
      }
      const { range, records, bytes, leaderEpoch } = fetched
      invariant(
        block.records === records,
        `${formatRange(range)} has ${block.records} records, not ${records}`,
      )
      return {
        range,
        records,
        lastOffset: records === 0 ? null : BigInt(block.lastOffset),
        bytes,
        leaderEpoch,
        partials: collectors.map((collector) => collector.finish()),
      }
    },
  }
}

/** Runs the records of one range, block by block, and asserts that their offsets rise inside of it. */
class BlockRunner {
  records = 0
  /** Before the first record: the offset before the range. */
  lastOffset: number
  readonly #value: Decoding
  readonly #key: Decoding | null
  readonly #pushes: readonly Push[]
  readonly #range: OffsetRange
  readonly #until: number

  constructor({ decoder, keyDecoder }: RootPlan, pushes: readonly Push[], range: OffsetRange) {
    this.#value = { decoder, where: `decoder '${decoder.name}'` }
    this.#key = keyDecoder && { decoder: keyDecoder, where: `key decoder '${keyDecoder.name}'` }
    this.#pushes = pushes
    this.#range = range
    this.lastOffset = Number(range.from) - 1
    this.#until = Number(range.until)
  }

  enter({ topic, partition }: RecordSegment): void {
    invariant(
      topic === this.#range.topic && partition === this.#range.partition,
      `records of ${topic}/${partition} came with the range ${formatRange(this.#range)}`,
    )
  }

  run(segment: RecordSegment, begin: number, end: number): void {
    let i = begin
    try {
      for (; i < end; i++) {
        this.#advanceTo(recordOffset(segment, i))
        const raw = new SegmentMeta(segment, i)
        const { buffer } = segment
        const value = decode(this.#value, buffer, segment.valueStart[i], segment.valueEnd[i], raw)
        const meta = this.#key ? new SegmentMeta(segment, i, decodeKey(this.#key, segment, i, raw)) : raw
        for (const push of this.#pushes) push(value, meta)
      }
    } catch (error) {
      if (error instanceof FunctionFailure) throw recordFailed(segment, i, error)
      if (error instanceof OncesinkError) throw error
      throw recordFailed(segment, i, new FunctionFailure('computing the record', error))
    }
    this.records += end - begin
  }

  #advanceTo(offset: number): void {
    if (offset > this.lastOffset && offset < this.#until) this.lastOffset = offset
    else {
      invariant(false, `offset ${offset} came after ${this.lastOffset} in range ${formatRange(this.#range)}`)
    }
  }
}

/** A decoder, and how messages call it. */
interface Decoding {
  readonly decoder: Decoder<unknown>
  readonly where: string
}

function decode(
  { decoder, where }: Decoding,
  buffer: Buffer,
  start = 0,
  end = -1,
  meta: RecordMeta,
): unknown {
  let decoded: unknown
  try {
    decoded = decoder.decode(buffer, start, end, meta)
  } catch (error) {
    throw new FunctionFailure(where, error)
  }
  return refusePromise(where, decoded)
}

/** Done for every record: whether a key fits must not depend on who looks at it. */
function decodeKey(decoding: Decoding, segment: RecordSegment, i: number, meta: RecordMeta): unknown {
  const { buffer, keyStart, keyEnd } = segment
  const key = decode(decoding, buffer, keyStart[i], keyEnd[i], meta)
  if (key !== undefined) return key
  throw new FunctionFailure(decoding.where, new Error('it gave undefined: give null where there is no key'))
}
