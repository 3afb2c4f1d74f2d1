import { ExitCode } from '../errors.ts'
import { topicPartitionKey } from '../model/topic-partition.ts'
import type { ChainReport } from './chain.ts'
import type { ControlTotalsReport } from './control-totals.ts'
import type { DeadLetterReport } from './dead-letters.ts'
import type { TableReport } from './table-report.ts'

/**
 * - `ok`: everything was checked, and there was something to check;
 * - `violation`: something contradicts the promise;
 * - `inconclusive`: what could be checked holds, and the reasons say what could not.
 */
export type VerifyOutcome = 'ok' | 'violation' | 'inconclusive'

export interface VerifyReport {
  readonly job: string
  readonly outcome: VerifyOutcome
  readonly exitCode: ExitCode
  readonly chain: ChainReport
  readonly deadLetters: DeadLetterReport
  /** Null when nothing of the log could be read again. */
  readonly controlTotals: ControlTotalsReport | null
  readonly tables: readonly TableReport[]
  /** Why the outcome is not `ok` although nothing contradicts. */
  readonly inconclusive: readonly string[]
  /** Records that are in the log and missing in a table; null when no table counts records. */
  readonly lost: bigint | null
  readonly duplicated: bigint | null
  /** Records read again from the log. */
  readonly recordsReplayed: number
  /** Whether the log was read again from every recorded start to the position. */
  readonly replayedAll: boolean
  /** Whether nothing but the chain was to be checked: then tables and log are no reason for doubt. */
  readonly chainOnly: boolean
  readonly durationMs: number
}

export type VerifyFindings = Omit<VerifyReport, 'outcome' | 'exitCode' | 'lost' | 'duplicated'>

const exitCodes = {
  ok: ExitCode.ok,
  violation: ExitCode.violation,
  inconclusive: ExitCode.inconclusive,
} as const

/** Draws the conclusion. A job that has committed nothing proves nothing. */
export function concludeReport(findings: VerifyFindings): VerifyReport {
  const { chain, deadLetters, controlTotals, tables } = findings
  const reasons = [...findings.inconclusive]
  if (chain.batches === 0) reasons.push('the job has committed no batch: there is nothing to verify')
  if (!findings.replayedAll && !findings.chainOnly) reasons.push(...prunedTexts(chain))
  const shrunk = (controlTotals?.shrunk.total ?? 0) > 0
  for (const message of controlTotals?.shrunk.first ?? []) {
    reasons.push(`${message}: the log was compacted since, or the batch counted records twice`)
  }
  for (const table of tables) {
    if (table.notCompared.length === 0) continue
    reasons.push(`columns of ${table.table} that cannot be compared: ${table.notCompared.join(', ')}`)
  }

  // In a log that has lost records since, a table that holds more than the log proves nothing; one that holds less does.
  const contradicts = (table: TableReport) =>
    table.differences.total > 0 && (!shrunk || (table.lost !== null && table.lost > 0n))
  const violated =
    chain.violations.total > 0 ||
    deadLetters.violations.total > 0 ||
    (controlTotals?.violations.total ?? 0) > 0 ||
    tables.some(contradicts)
  const outcome = violated ? 'violation' : reasons.length > 0 ? 'inconclusive' : 'ok'
  const most = (pick: (table: TableReport) => bigint | null) =>
    tables.reduce<bigint | null>((max, table) => {
      const value = pick(table)
      return value === null || (max !== null && max >= value) ? max : value
    }, null)
  return {
    ...findings,
    inconclusive: reasons,
    outcome,
    exitCode: exitCodes[outcome],
    lost: most((table) => table.lost),
    duplicated: most((table) => table.duplicated),
  }
}

/**
 * What somebody has accepted to be lost, one sentence each. It is no violation, and no reason for doubt by itself: the
 * tables are compared with what the job was told to count.
 */
export function acceptedLossTexts({ acceptedLosses }: ChainReport): string[] {
  return acceptedLosses.map((act) => {
    const { topic, partition, fromOffset, untilOffset, actor, reason, committedAt } = act
    const what = {
      retention: `records [${fromOffset}, ${untilOffset}) of ${topic}/${partition} were gone before they were read`,
      truncated: `${topic}/${partition} was truncated at ${untilOffset}, after it was read up to ${fromOffset}`,
      recreated: `topic "${topic}" was created again: the old ${topic}/${partition} was read up to ${fromOffset}, the new one from ${untilOffset}`,
    }[act.cause ?? 'retention']
    return `${what}; accepted by ${actor} at ${committedAt.toISOString()}: ${reason}`
  })
}

/** Where retention has shortened the chain. Harmless as long as the tables are compared with the whole log. */
export function prunedTexts(chain: ChainReport): string[] {
  return chain.partitions
    .filter((partition) => partition.prunedBefore !== null)
    .map(
      (partition) =>
        `the ledger of ${topicPartitionKey(partition)} was pruned before ${partition.prunedBefore}`,
    )
}
