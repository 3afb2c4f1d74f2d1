import type { Transaction } from '../database/dialect.ts'
import type { PartitionTask } from '../executor/partition-task.ts'
import type { Job } from '../job/job.ts'
import type { Clock } from '../runtime/clock.ts'
import type { FetchedRange, LogSource } from '../source/source.ts'
import type { DeadLetterCheck } from './dead-letters.ts'
import { replay } from './replay.ts'
import type { ReplayRange } from './replay-ranges.ts'
import type { TableCheck } from './table-check.ts'
import type { TableReport } from './table-report.ts'

/** Digest, digest over other columns, detail: no table asks for more. */
const MAX_PASSES = 3
const KEEP_ALIVE_MS = 2_000

export interface OracleDeps {
  readonly job: Job
  /** Null where nothing is recomputed: the log is read for {@link consultOracle}'s `onFirstPass` only. */
  readonly task: PartitionTask | null
  readonly source: LogSource
  readonly clock: Clock
  /** One snapshot: positions, ledger and tables of the same moment. */
  readonly snapshot: Transaction
  readonly signal: AbortSignal
  /** Null where a record that fails ends the recomputing: the job has no dead letters and knows none. */
  readonly deadLetters: DeadLetterCheck | null
  readonly onProgress: (message: string) => void
}

/** One check per pipeline, null where the sink cannot be recomputed. */
export type Checks = readonly (TableCheck | null)[]

/**
 * Recomputes the tables from the log, single-threaded and with the job's own functions, and compares them with the
 * snapshot. Every pass reads the log first and then the tables, so that only groups are held in memory.
 * @param onFirstPass hears every range once, with what it is a stretch of
 * @returns the tables' reports and how many records the log has in `ranges`
 */
export async function consultOracle(
  deps: OracleDeps,
  ranges: readonly ReplayRange[],
  topicIds: ReadonlyMap<string, string>,
  checks: Checks,
  onFirstPass: (fetched: FetchedRange, of: ReplayRange) => void,
): Promise<{ tables: TableReport[]; records: number }> {
  const { task } = deps
  let wanting = new Set(checks.filter((check) => check !== null))
  let records = 0
  for (let pass = 1; pass === 1 || (wanting.size > 0 && pass <= MAX_PASSES); pass++) {
    const progress = throttled(deps.clock, deps.onProgress)
    const consume = async (fetched: FetchedRange, of: ReplayRange) => {
      if (pass === 1) {
        records += fetched.records
        onFirstPass(fetched, of)
        if (task) deps.deadLetters?.look(fetched, of, task)
      }
      if (!task) return
      const { partials } = await task.run(fetched, deps.signal, deps.deadLetters?.tolerance(of, pass === 1))
      for (const [i, check] of checks.entries()) {
        const partial = partials[i]
        if (check && partial && wanting.has(check)) check.add(partial)
      }
    }
    const alive = keepAlive(deps)
    await replay({ ...deps, ranges, topicIds, onRange: consume }, async (read) => {
      await alive()
      const what = `reading the log again${pass > 1 ? ` (pass ${pass})` : ''}`
      progress(`${what}: ${read.offsets}/${read.ofOffsets} offsets, ${read.records} records`)
    })
    wanting = await compareTables(deps, wanting)
  }
  return { tables: checks.flatMap((check) => check?.report() ?? []), records }
}

/** @returns the checks that want another pass */
async function compareTables(deps: OracleDeps, checks: ReadonlySet<TableCheck>): Promise<Set<TableCheck>> {
  const wanting = new Set<TableCheck>()
  for (const check of checks) {
    const progress = throttled(deps.clock, deps.onProgress)
    let rows = 0
    for await (const row of deps.snapshot.readTable(check.table, check.columns())) {
      deps.signal.throwIfAborted()
      check.row(row)
      rows += 1
      if (rows % 1_000 === 0) progress(`comparing ${check.table}: ${rows} rows`)
    }
    if (check.endPass()) wanting.add(check)
  }
  return wanting
}

/** Passes on at most one message per second. */
function throttled(clock: Clock, onProgress: (message: string) => void): (message: string) => void {
  let last = clock.monotonicMs()
  return (message) => {
    if (clock.monotonicMs() - last < 1_000) return
    last = clock.monotonicMs()
    onProgress(message)
  }
}

/** Servers end transactions that say nothing for long, and reading a long log takes longer. */
function keepAlive({ snapshot, job, clock }: OracleDeps): () => Promise<void> {
  let last = clock.monotonicMs()
  return async () => {
    if (clock.monotonicMs() - last < KEEP_ALIVE_MS) return
    await snapshot.readPositions(job.name)
    last = clock.monotonicMs()
  }
}
