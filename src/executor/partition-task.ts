import type { PartialResult } from '../aggregation/partial-result.ts'
import type { Decoder } from '../decode/decoder.ts'
import { type DecodedBlock, type ShortCuts, shortCutsOf } from '../decode/short-cuts.ts'
import { invariant, OncesinkError } from '../errors.ts'
import { formatRange, type OffsetRange } from '../model/offset-range.ts'
import type { RecordMeta } from '../model/record-meta.ts'
import type { PipelinePlan, RootPlan } from '../pipeline/plan.ts'
import type { Clock } from '../runtime/clock.ts'
import { RangeDigest } from '../source/range-digest.ts'
import { recordOffset } from '../source/record-fields.ts'
import type { RecordSegment } from '../source/record-segment.ts'
import type { FetchedRange } from '../source/source.ts'
import { type Collector, collectorsOf, type FastWays, type FromBytes, noFastWays } from './collectors.ts'
import { ColumnState } from './column-collector.ts'
import { columnPlanOf } from './column-plan.ts'
import type { PartitionResult } from './executor.ts'
import { FunctionFailure, recordFailed, refusePromise } from './function-failure.ts'
import { rowTextPlanOf } from './row-text-plan.ts'
import { SegmentMeta } from './segment-meta.ts'
import { type Push, throughSteps } from './steps.ts'

/** Decodes one range and runs every pipeline over it. */
export interface PartitionTask {
  /**
   * Pure but for the time it takes: the same range gives the same result, and says how long that took.
   * @param tolerance without it the first record that fails ends the run
   * @throws OncesinkError JOB_FUNCTION_FAILED with the record's coordinates; INVARIANT_VIOLATED when the range's
   *   records are not what the range says; the signal's reason when it is aborted meanwhile; what `onFailure` throws
   */
  run(fetched: FetchedRange, signal: AbortSignal, tolerance?: Tolerance): Promise<PartitionResult>
  /**
   * Runs ranges one after another and adds all of them up as one: the first result has the partial results of all, the
   * others have none. What that comes to is what merging their own partial results, in this order, comes to.
   * @returns null where each has to be run by itself: a record fails, or there is a pipeline whose values are not added up
   *   by the job's aggregates alone
   * @throws OncesinkError INVARIANT_VIOLATED as {@link run}; the signal's reason when it is aborted meanwhile
   */
  runAsOne(fetched: readonly FetchedRange[], signal: AbortSignal): Promise<PartitionResult[] | null>
  /** Why the record with index `i` fails when it stands alone, or null. */
  probe(segment: RecordSegment, i: number): FunctionFailure | null
}

/**
 * How a run goes on past records that fail. Such a record is left out of *all* pipelines, whichever of them it fails
 * in, or it would be counted by half.
 */
export interface Tolerance {
  /** Offsets of records that are left out without asking the functions. */
  readonly leaveOut: ReadonlySet<number>
  /** Called for each record that is left out because it fails, in offset order. */
  readonly onFailure: (segment: RecordSegment, i: number, failure: FunctionFailure) => void
}

/** Is told what a task is busy with, so that somebody else can see it: a function of the job may not come back. */
export interface TaskWatch {
  /** A range begins. */
  atRange(range: OffsetRange): void
  /** The record at `offset` is about to run. Called for every record. */
  atRecord(offset: number): void
}

/**
 * Work is interrupted after this long, in milliseconds: heartbeats, fetches and the commit in flight go on then. A commit is
 * five round trips or more, each of which waits for the next interruption; with 8 ms they took as long as the computing
 * of the next batch, and more than half of that was waiting.
 */
const MAX_BUSY_MS = 2

/** Records between two looks at the clock. */
const BLOCK_RECORDS = 256

export interface TaskOptions {
  readonly watch?: TaskWatch
  /**
   * `fast` takes short cuts from bytes to results, which must come to the same; `plain` calls the job's functions for every
   * record and decodes each by itself, for whoever checks that. @default 'fast'
   */
  readonly way?: 'fast' | 'plain'
  /** Whether results come with the digest of their records. @default false */
  readonly digest?: boolean
}

/** Makes the task of a job: `pipelines` are all of `root`, whose decoder runs once per record. */
export function compilePartitionTask(
  root: RootPlan,
  pipelines: readonly PipelinePlan[],
  clock: Clock,
  { watch, way = 'fast', digest = false }: TaskOptions = {},
): PartitionTask {
  const fast = way === 'fast' ? fastWaysOf(root, pipelines) : noFastWays
  const compiled = pipelines.map((pipeline, i) => {
    invariant(pipeline.root === root, 'the pipelines of a job share one root')
    const suffix = pipelines.length === 1 ? '' : `, pipeline ${i + 1}`
    const newCollector = collectorsOf(pipeline, suffix, fast)
    return { steps: pipeline.steps, suffix, newCollector }
  })
  const probe = new Probe(root, compiled, way)
  /** Aggregates do not depend on the order in which records come. What a job's own `merge` makes of two values might. */
  const canJoin = pipelines.every(({ terminal }) => terminal.kind === 'aggregate')
  /** Of all ranges: each of them may be too short for a pause. */
  let busySince = clock.monotonicMs()

  function newGathering(): Gathering {
    const collectors = compiled.map(({ newCollector }) => newCollector())
    const pushes = compiled.map(({ steps, suffix }, i) =>
      throughSteps(steps, (collectors[i] as Collector).push, suffix),
    )
    return {
      runner: new RecordRunner(root, pushes, way),
      fromBytes: collectors[0]?.fromBytes ?? null,
      finish: () => collectors.map((collector) => collector.finish()),
    }
  }

  /** One pass over the range, whose values are gathered with those that are there already. */
  async function pass(
    { range, records, slices }: FetchedRange,
    { runner, fromBytes }: Gathering,
    signal: AbortSignal,
    leaveOut: LeaveOut,
  ): Promise<BlockRunner> {
    const sum = digest ? new RangeDigest() : null
    const block = new BlockRunner(runner, fromBytes, range, leaveOut, watch ?? null, sum)
    watch?.atRange(range)
    for (const { segment, begin, end } of slices) {
      block.enter(segment)
      for (let at = begin; at < end; at += BLOCK_RECORDS) {
        block.run(segment, at, Math.min(at + BLOCK_RECORDS, end))
        if (clock.monotonicMs() - busySince < MAX_BUSY_MS) continue
        await clock.yield()
        signal.throwIfAborted()
        busySince = clock.monotonicMs()
      }
    }
    invariant(block.records === records, `${formatRange(range)} has ${block.records} records, not ${records}`)
    return block
  }

  /** One pass over the range alone. */
  async function passAlone(fetched: FetchedRange, signal: AbortSignal, leaveOut: LeaveOut): Promise<Pass> {
    const gathering = newGathering()
    return { block: await pass(fetched, gathering, signal, leaveOut), gathering }
  }

  /**
   * The pass without tolerance is the fast one, and almost always the only one. When a record fails in it, parts of
   * that record may stand in the collectors already: they are thrown away, and the range is run again, each record
   * being tried alone before it is let in.
   */
  async function tolerantPass(
    fetched: FetchedRange,
    signal: AbortSignal,
    { leaveOut, onFailure }: Tolerance,
  ): Promise<Pass> {
    const known = leaveOut.size === 0 ? null : (offset: number) => leaveOut.has(offset)
    try {
      return await passAlone(fetched, signal, known)
    } catch (error) {
      if (!isRecordFailure(error)) throw error
    }
    const careful = (offset: number, segment: RecordSegment, i: number) => {
      if (leaveOut.has(offset)) return true
      const failure = probe.run(segment, i)
      if (failure) onFailure(segment, i, failure)
      return failure !== null
    }
    try {
      return await passAlone(fetched, signal, careful)
    } catch (error) {
      if (!isRecordFailure(error)) throw error
      const { segment, i, failure } = error
      // Nothing in its range is left to blame.
      if (fetched.records > 1) throw recordFailed(segment, i, failure, true)
      onFailure(segment, i, failure)
      return passAlone(fetched, signal, () => true)
    }
  }

  return {
    async run(fetched, signal, tolerance) {
      const beganAt = clock.monotonicMs()
      const { block, gathering } = await (tolerance
        ? tolerantPass(fetched, signal, tolerance)
        : passAlone(fetched, signal, null)
      ).catch((error: unknown) => {
        throw isRecordFailure(error) ? recordFailed(error.segment, error.i, error.failure) : error
      })
      const partials = gathering.finish()
      return { ...contentsOf(fetched, block), computeMs: clock.monotonicMs() - beganAt, partials }
    },

    async runAsOne(ranges, signal) {
      if (!canJoin) return null
      const gathering = newGathering()
      const results: PartitionResult[] = []
      let beganAt = clock.monotonicMs()
      try {
        for (const fetched of ranges) {
          const block = await pass(fetched, gathering, signal, null)
          const endedAt = clock.monotonicMs()
          results.push({ ...contentsOf(fetched, block), computeMs: endedAt - beganAt, partials: [] })
          beganAt = endedAt
        }
      } catch (error) {
        if (isRecordFailure(error)) return null
        throw error
      }
      const [first, ...rest] = results
      return first ? [{ ...first, partials: gathering.finish() }, ...rest] : []
    },

    probe: (segment, i) => probe.run(segment, i),
  }
}

/** At most one of them: there is one pipeline, into one kind of sink. */
function fastWaysOf(root: RootPlan, pipelines: readonly PipelinePlan[]): FastWays {
  const columnPlan = columnPlanOf(root, pipelines)
  return { columns: columnPlan && new ColumnState(columnPlan), rowText: rowTextPlanOf(root, pipelines) }
}

interface CompiledPipeline {
  readonly steps: PipelinePlan['steps']
  readonly suffix: string
  readonly newCollector: () => Collector
}

/** Where the values of one range are gathered, or those of several. */
interface Gathering {
  readonly runner: RecordRunner
  readonly fromBytes: FromBytes | null
  finish(): PartialResult[]
}

interface Pass {
  readonly block: BlockRunner
  readonly gathering: Gathering
}

/** What a range has, besides what it has come to. */
function contentsOf(
  { range, records, bytes, leaderEpoch }: FetchedRange,
  { digest, lastOffset }: BlockRunner,
): Omit<PartitionResult, 'computeMs' | 'partials'> {
  return {
    range,
    records,
    deadLetters: [],
    digest: digest?.sum ?? null,
    lastOffset: records === 0 ? null : BigInt(lastOffset),
    bytes,
    leaderEpoch,
  }
}

/** Says of a record whether it is left out; null when none is. */
type LeaveOut = ((offset: number, segment: RecordSegment, i: number) => boolean) | null

/** A record that fails, on its way to whoever decides what that means. */
class RecordFailure {
  readonly segment: RecordSegment
  readonly i: number
  readonly failure: FunctionFailure

  constructor(segment: RecordSegment, i: number, failure: FunctionFailure) {
    this.segment = segment
    this.i = i
    this.failure = failure
  }
}

function isRecordFailure(error: unknown): error is RecordFailure {
  return error instanceof RecordFailure
}

/** Runs single records, each through collectors that nothing was pushed to before. */
class Probe {
  readonly #pipelines: readonly CompiledPipeline[]
  readonly #runner: RecordRunner
  #collectors: readonly Collector[] = []

  constructor(root: RootPlan, pipelines: readonly CompiledPipeline[], way: 'fast' | 'plain') {
    this.#pipelines = pipelines
    const pushes = pipelines.map(({ steps, suffix }, i) =>
      throughSteps(steps, (value, meta) => this.#collectors[i]?.push(value, meta), suffix),
    )
    this.#runner = new RecordRunner(root, pushes, way)
  }

  run(segment: RecordSegment, i: number): FunctionFailure | null {
    this.#collectors = this.#pipelines.map(({ newCollector }) => newCollector())
    try {
      this.#runner.run(segment, i)
      return null
    } catch (error) {
      return functionFailure(error)
    }
  }
}

/** Decodes records and hands them to every pipeline. */
class RecordRunner {
  readonly #value: Decoding
  readonly #shortCuts: ShortCuts<unknown>
  readonly #key: Decoding | null
  readonly #pushes: readonly Push[]

  constructor({ decoder, keyDecoder }: RootPlan, pushes: readonly Push[], way: 'fast' | 'plain') {
    this.#shortCuts = way === 'fast' ? shortCutsOf(decoder) : {}
    this.#value = { decoder: way === 'fast' ? decoder : plain(decoder), where: `decoder '${decoder.name}'` }
    this.#key = keyDecoder && { decoder: keyDecoder, where: `key decoder '${keyDecoder.name}'` }
    this.#pushes = pushes
  }

  /** The values of a block, or null where each has to be decoded by itself. */
  decodeBlock(segment: RecordSegment, begin: number, end: number): DecodedBlock<unknown> | null {
    return this.#shortCuts.decodeBlock?.(segment, begin, end) ?? null
  }

  /** @throws FunctionFailure, or whatever else a function of the job comes to */
  run(segment: RecordSegment, i: number): void {
    const raw = new SegmentMeta(segment, i)
    const { buffer } = segment
    const value = decode(this.#value, buffer, segment.valueStart[i], segment.valueEnd[i], raw)
    this.#push(segment, i, value, raw)
  }

  /** {@link run} for a value that was decoded with its block. */
  runDecoded(segment: RecordSegment, i: number, value: unknown): void {
    this.#push(segment, i, value, new SegmentMeta(segment, i))
  }

  #push(segment: RecordSegment, i: number, value: unknown, raw: SegmentMeta): void {
    const meta = this.#key ? new SegmentMeta(segment, i, decodeKey(this.#key, segment, i, raw)) : raw
    for (const push of this.#pushes) push(value, meta)
  }
}

/** The decoder without its short cuts. */
function plain(decoder: Decoder<unknown>): Decoder<unknown> {
  const { access } = shortCutsOf(decoder)
  return { name: decoder.name, decode: access?.parse ?? ((...record) => decoder.decode(...record)) }
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

/** @throws `error` itself when no function of the job is to blame */
function functionFailure(error: unknown): FunctionFailure {
  if (error instanceof FunctionFailure) return error
  if (error instanceof OncesinkError) throw error
  return new FunctionFailure('computing the record', error)
}

/** Runs the records of one range, block by block, and asserts that their offsets rise inside of it. */
class BlockRunner {
  /** Records seen, those that are left out included. */
  records = 0
  /** Before the first record: the offset before the range. */
  lastOffset: number
  /** Of the records seen; null where nobody wants it. */
  readonly digest: RangeDigest | null
  readonly #runner: RecordRunner
  readonly #fromBytes: FromBytes | null
  readonly #range: OffsetRange
  readonly #until: number
  readonly #leaveOut: LeaveOut
  readonly #watch: TaskWatch | null

  constructor(
    runner: RecordRunner,
    fromBytes: FromBytes | null,
    range: OffsetRange,
    leaveOut: LeaveOut,
    watch: TaskWatch | null,
    digest: RangeDigest | null,
  ) {
    this.digest = digest
    this.#runner = runner
    this.#fromBytes = fromBytes
    this.#range = range
    this.lastOffset = Number(range.from) - 1
    this.#until = Number(range.until)
    this.#leaveOut = leaveOut
    this.#watch = watch
  }

  enter({ topic, partition }: RecordSegment): void {
    invariant(
      topic === this.#range.topic && partition === this.#range.partition,
      `records of ${topic}/${partition} came with the range ${formatRange(this.#range)}`,
    )
  }

  /** @throws RecordFailure */
  run(segment: RecordSegment, begin: number, end: number): void {
    let i = begin
    // Before the job's own functions have the bytes in their hands.
    this.digest?.add(segment, begin, end)
    try {
      const fromBytes = this.#fromBytes?.isWorthwhile ? this.#fromBytes : null
      const block = fromBytes === null ? this.#runner.decodeBlock(segment, begin, end) : null
      for (; i < end; i++) {
        const offset = recordOffset(segment, i)
        this.#advanceTo(offset)
        this.#watch?.atRecord(offset)
        if (this.#leaveOut?.(offset, segment, i)) continue
        if (fromBytes?.add(segment, i)) continue
        if (block === null) this.#runner.run(segment, i)
        else this.#runner.runDecoded(segment, i, block.values[(i - begin) * block.step])
      }
    } catch (error) {
      throw new RecordFailure(segment, i, functionFailure(error))
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
