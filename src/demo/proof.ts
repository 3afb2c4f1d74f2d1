import { ExitCode } from '../errors.ts'
import type { Engine } from '../services/index.ts'
import { grouped } from './progress.ts'
import { differenceText, type TotalsComparison } from './totals.ts'

/** Everything the demo has found out, from which the proof follows. */
export interface Evidence {
  readonly engine: Engine
  readonly seed: number
  readonly records: number
  /** What was asked for, and what the producer and the topic say. */
  readonly produced: number
  readonly inTopic: number
  /** Kills of a job that had committed something, how many were asked for, and kills during the start. */
  readonly kills: number
  readonly ofKills: number
  readonly killsWhileStarting: number
  /** Whether the job had committed everything within the time it was given. */
  readonly drained: boolean
  readonly table: TotalsComparison
  readonly verify: VerifySummary
  readonly restartMs: {
    readonly median: number
    readonly max: number
    /** From the start of the process to the command's own first code (median): part of the above. */
    readonly processStart: number
  } | null
  readonly durationMs: number
  readonly versions: Readonly<Record<string, string>>
}

/** What `oncesink verify --format json` says, as far as the proof needs it. */
export interface VerifySummary {
  readonly outcome: string
  readonly recordsReplayed: number
  readonly chain: {
    readonly unbroken: boolean
    readonly batches: number
    readonly partitions: number
    readonly violations: readonly string[]
  }
  readonly inconclusive: readonly string[]
}

export interface DemoResult extends Evidence {
  readonly lost: number
  readonly duplicated: number
  readonly ok: boolean
  /** Why it is not ok, one sentence each. */
  readonly failures: readonly string[]
}

/** Draws the conclusion. A run in which nothing was produced or killed proves nothing, and fails. */
export function conclude(evidence: Evidence): DemoResult {
  const { table, verify } = evidence
  const failures: string[] = []
  const check = (holds: boolean, failure: string) => {
    if (!holds) failures.push(failure)
  }
  check(evidence.produced > 0, 'nothing was produced')
  check(
    evidence.produced === evidence.records,
    `${evidence.produced} records were produced, not ${evidence.records}`,
  )
  check(
    evidence.inTopic === evidence.produced,
    `the topic holds ${evidence.inTopic} records, not ${evidence.produced}`,
  )
  check(evidence.kills > 0, 'the job was never killed after a commit')
  check(evidence.kills >= evidence.ofKills, `only ${evidence.kills} of ${evidence.ofKills} kills count`)
  check(evidence.drained, 'the job did not commit everything in time')
  check(
    table.expected.orders === evidence.produced,
    `the producer counted ${table.expected.orders} orders for ${evidence.produced} records`,
  )
  check(table.lost === 0, `${table.lost} records are lost`)
  check(table.duplicated === 0, `${table.duplicated} records are duplicated`)
  check(table.differentRows === 0, `${table.differentRows} rows of the table are not what was produced`)
  for (const violation of verify.chain.violations) failures.push(violation)
  check(verify.chain.unbroken, 'the chain of offset ranges is broken')
  check(verify.chain.batches > 0, 'the ledger has no batch')
  check(verify.outcome === 'ok', `oncesink verify says ${verify.outcome}`)
  for (const reason of verify.inconclusive) failures.push(`verify could not check: ${reason}`)
  return { ...evidence, lost: table.lost, duplicated: table.duplicated, ok: failures.length === 0, failures }
}

export function exitCodeOf(result: DemoResult): ExitCode {
  return result.ok ? ExitCode.ok : ExitCode.violation
}

/** Reads what `oncesink verify --format json` has printed; what is missing there counts as not shown. */
export function verifySummary(report: Readonly<Record<string, unknown>>): VerifySummary {
  const chain = (report.chain ?? {}) as Record<string, unknown>
  const violations = chain.violations as { first?: { message?: unknown }[] } | undefined
  return {
    outcome: String(report.outcome),
    recordsReplayed: Number(report.recordsReplayed),
    chain: {
      unbroken: chain.unbroken === true,
      batches: Number(chain.batches),
      partitions: Array.isArray(chain.partitions) ? chain.partitions.length : 0,
      violations: (violations?.first ?? []).map(({ message }) => String(message)),
    },
    inconclusive: Array.isArray(report.inconclusive) ? report.inconclusive.map(String) : [],
  }
}

/** The proof for people. */
export function proofText(result: DemoResult): string {
  const { table, verify, restartMs } = result
  const lines: string[] = []
  const add = (label: string, text: string) => lines.push(`  ${label.padEnd(20)}${text}`)
  const totals = ({ orders, revenue, rows }: TotalsComparison['actual']) =>
    `${grouped(orders)} orders, ${grouped(revenue)} revenue, ${grouped(rows)} rows`
  add('records produced', grouped(result.produced))
  add('kills', `${result.kills} by SIGKILL after a commit, ${result.killsWhileStarting} more while starting`)
  add('table expected', `${totals(table.expected)}  (counted by the producer)`)
  add('table actual', totals(table.actual))
  add('lost', grouped(result.lost))
  add('duplicated', grouped(result.duplicated))
  const { unbroken, batches, partitions } = verify.chain
  const ranges = `${grouped(batches)} offset ranges over ${partitions} partitions`
  add(
    'offset ranges',
    unbroken ? `unbroken: ${ranges}, each begins where the last one ended` : `BROKEN: ${ranges}`,
  )
  add(
    'oncesink verify',
    `${verify.outcome}: ${grouped(verify.recordsReplayed)} records read again and compared`,
  )
  if (restartMs) {
    const { median, max, processStart } = restartMs
    const part = `process start ${Math.round(processStart)} ms of it`
    add('kill to next commit', `median ${Math.round(median)} ms, max ${Math.round(max)} ms (${part})`)
  }
  add('took', `${(result.durationMs / 1000).toFixed(1)} s, seed ${result.seed}`)
  for (const failure of result.failures) add('FAILED', failure)
  for (const difference of table.differences) add('', differenceText(difference))
  const more = table.differentRows - table.differences.length
  if (more > 0) add('', `... and ${grouped(more)} more rows`)
  lines.push('', result.ok ? 'Every record counts exactly once.' : 'NOT PROVEN.')
  return lines.join('\n')
}

/** The result for machines: one object, `ok` and the counts first. */
export function resultJson(result: DemoResult): string {
  const { engine, ok, records, kills, lost, duplicated, seed, table, verify, restartMs, versions } = result
  return JSON.stringify({
    engine,
    ok,
    records,
    kills,
    lost,
    duplicated,
    seed,
    expected: table.expected,
    actual: table.actual,
    differentRows: table.differentRows,
    differences: table.differences,
    killsWhileStarting: result.killsWhileStarting,
    chain: verify.chain,
    verify: verify.outcome,
    restartMs: restartMs && {
      median: Math.round(restartMs.median),
      max: Math.round(restartMs.max),
      processStart: Math.round(restartMs.processStart),
    },
    failures: result.failures,
    durationMs: Math.round(result.durationMs),
    versions,
  })
}
