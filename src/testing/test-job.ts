import { collectPartials } from '../aggregation/collect.ts'
import type { PartialResult } from '../aggregation/partial-result.ts'
import { refuseOverWindow } from '../database/protocol/dead-letters.ts'
import { OncesinkError } from '../errors.ts'
import { createInlineExecutor } from '../executor/inline.ts'
import { compilePartitionTask } from '../executor/partition-task.ts'
import type { Job } from '../job/job.ts'
import { tableOf } from '../job/shape.ts'
import type { DeadLetter } from '../model/dead-letter.ts'
import type { PipelinePlan } from '../pipeline/plan.ts'
import { systemRuntime } from '../runtime/runtime.ts'
import { deliver } from '../sink/deliver.ts'
import { rowValues } from '../sink/rows.ts'
import type { FetchedRange, Source } from '../source/source.ts'
import { CapturedRows, type TestRow } from './captured-rows.ts'
import { TestLog, type TestRecord } from './fetched-ranges.ts'

export type { TestRow, TestValue } from './captured-rows.ts'
export type { TestRecord } from './fetched-ranges.ts'

/** What became of the records of one `send`. */
export interface SentBatch {
  /** Records of the batch, dead letters included. */
  readonly records: number
  /** Records that were left out, with the reason in `cause`. */
  readonly deadLetters: readonly DeadLetter[]
}

/** A job under test: no broker, no database, but the job's own decoding, steps, aggregating and merging. */
export interface TestedJob {
  /**
   * Runs records through the job as one micro-batch.
   * @throws OncesinkError JOB_FUNCTION_FAILED for a record that fails while the job's poison policy is to fail;
   *   DEAD_LETTER_LIMIT; CONFIGURATION_INVALID for a record that cannot be sent. Nothing of the batch counts then
   */
  send(records: TestRecord | readonly TestRecord[]): Promise<SentBatch>
  /**
   * What the table holds after everything that was sent: by key where its rows have one, else in log order. Decimals
   * are exact strings, as on their way to the database; documents are what their JSON says.
   * @param table may be left out where the job declares just one
   * @throws OncesinkError CONFIGURATION_INVALID when no declared sink writes to it; JOB_FUNCTION_FAILED when a result
   *   does not fit its column
   */
  rows(table?: string): Promise<TestRow[]>
  /**
   * What a `write` or `writeResult` would be given if everything that was sent were one batch: its rows, or the result
   * in an array. Its function is not called, because it needs a database.
   * @param pipeline index in the job's pipelines; may be left out where just one has such a sink
   */
  written(pipeline?: number): readonly unknown[]
  /** Every record that was left out so far, in the order in which it was. */
  readonly deadLetters: readonly DeadLetter[]
}

/**
 * Puts a job on the test bench. Every test makes its own: records and rows stay with it.
 *
 * What the database itself does is not there: constraints, column types, triggers. For these, start a real one
 * (`startPostgres`, `startKafka`) and run the job.
 */
export function testJob(job: Job): TestedJob {
  const log = new TestLog(firstTopicOf(job))
  const deadLetters: DeadLetter[] = []
  const budget = new WindowBudget(job)
  let taken: FetchedRange[] = []
  let records = 0
  /** Null before the first batch. */
  let collected: (PartialResult | null)[] = job.pipelines.map(() => null)
  const source = { take: async () => taken } as Partial<Source> as Source
  const task = compilePartitionTask(job.root, job.pipelines, systemRuntime.clock)
  const executor = createInlineExecutor(source, task, systemRuntime, job.poison)
  const plan = { maxRecords: 1, maxWaitMs: 0, includeEmptyRanges: false, order: 'fair' } as const

  async function captured(pipeline: PipelinePlan, i: number): Promise<TestRow[]> {
    const result = collected[i]
    const capture = new CapturedRows()
    if (!result) return capture.rows
    const batch = { batchId: '', job: job.name, ranges: [], records, deadLetters: deadLetters.length }
    await deliver(capture.transaction(), pipeline, result, batch)
    return capture.rows
  }

  return {
    async send(sent) {
      taken = log.append(Array.isArray(sent) ? sent : [sent])
      const results = await executor.compute(plan, new AbortController().signal)
      const letters = results.flatMap((result) => result.deadLetters)
      budget.spend(letters)
      collected = job.pipelines.map(({ terminal }, i) => {
        const before = collected[i] ? [collected[i]] : []
        const all = [...before, ...results.map(({ partials }) => partials[i] as PartialResult)]
        return all.length === 0 ? null : collectPartials(terminal, all)
      })
      const count = results.reduce((sum, result) => sum + result.records, 0)
      records += count
      deadLetters.push(...letters)
      return { records: count, deadLetters: letters }
    },

    async rows(table) {
      const feeds = job.pipelines.map((pipeline, i) => ({ pipeline, i, table: tableOf(pipeline) }))
      const wanted = table ?? onlyTable(job, feeds)
      const feeding = feeds.filter((feed) => feed.table === wanted)
      if (feeding.length === 0) throw noSuchTable(job, feeds, `no sink of it writes to '${wanted}'`)
      const rows: TestRow[] = []
      for (const { pipeline, i } of feeding) rows.push(...(await captured(pipeline, i)))
      return rows
    },

    written(pipeline) {
      const open = job.pipelines.flatMap(({ sink }, i) => ('write' in sink ? [i] : []))
      const index = pipeline ?? (open.length === 1 ? open[0] : undefined)
      if (index === undefined || !open.includes(index)) {
        throw new OncesinkError(
          'CONFIGURATION_INVALID',
          `job '${job.name}' has ${open.length === 0 ? 'no pipeline' : `pipelines ${open.join(', ')} (from 0)`} into write() or ` +
            `writeResult()${pipeline === undefined ? '' : `, and ${pipeline} is not one of them`}`,
        )
      }
      const { terminal } = job.pipelines[index] as PipelinePlan
      const result = collected[index] ?? collectPartials(terminal, [])
      return result.kind === 'reduced' ? [result.value] : rowValues(terminal, result)
    },

    deadLetters,
  }
}

/** Counts what was set aside lately, as the database does for a job. */
class WindowBudget {
  readonly #job: Job
  /** When records were set aside, in milliseconds of a clock that never jumps. */
  readonly #times: number[] = []

  constructor(job: Job) {
    this.#job = job
  }

  /** @throws OncesinkError DEAD_LETTER_LIMIT, and counts none of `letters` then */
  spend(letters: readonly DeadLetter[]): void {
    const { poison, name } = this.#job
    if (poison.kind === 'fail' || letters.length === 0) return
    const now = systemRuntime.clock.monotonicMs()
    const lately = this.#times.filter((time) => time >= now - poison.windowMs).length
    refuseOverWindow(name, lately, letters, poison)
    this.#times.push(...letters.map(() => now))
  }
}

interface Feed {
  readonly table: string | null
}

function onlyTable(job: Job, feeds: readonly Feed[]): string {
  const tables = new Set(feeds.flatMap(({ table }) => table ?? []))
  const [first] = tables
  if (first !== undefined && tables.size === 1) return first
  throw noSuchTable(job, feeds, 'say which table')
}

function noSuchTable(job: Job, feeds: readonly Feed[], what: string): OncesinkError {
  const tables = [...new Set(feeds.flatMap(({ table }) => table ?? []))]
  return new OncesinkError(
    'CONFIGURATION_INVALID',
    `${what}: job '${job.name}' declares ${tables.length === 0 ? 'no table' : tables.join(', ')}. What write() does to a ` +
      'table needs a database: look at written(), or run the job against startPostgres()',
  )
}

/** Topics of a pattern are not known; any name does then. */
function firstTopicOf({ root: { source } }: Job): string {
  const topics: unknown = 'topics' in source ? source.topics : undefined
  const [first]: unknown[] = Array.isArray(topics) ? topics : []
  return typeof first === 'string' ? first : 'topic'
}
