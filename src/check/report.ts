import { formatRange } from '../model/offset-range.ts'
import { topicPartitionKey } from '../model/topic-partition.ts'
import type { ChainReport } from './chain.ts'
import { acceptedLossTexts, prunedTexts, type VerifyReport } from './conclusion.ts'
import type { RowDifference } from './table-report.ts'
import type { Violation } from './violation.ts'

/** The report for people, without a line break at its end. */
export function formatReport(report: VerifyReport): string {
  const { chain, deadLetters, controlTotals } = report
  const lines = [`verify ${report.job}: ${report.outcome.toUpperCase()}`]
  const add = (label: string, text: string) => lines.push(`  ${label.padEnd(14)}${text}`)
  const committed = `${chain.records} committed in ${chain.batches} batches`
  if (report.chainOnly) {
    add('records', committed)
    add('tables', 'not compared: only the chain was asked for')
  } else {
    add('records', `${report.recordsReplayed} read again, ${committed}`)
    const count = (value: bigint | null) =>
      value === null ? 'unknown: no column counts records' : String(value)
    add('lost', count(report.lost))
    add('duplicated', count(report.duplicated))
  }
  add('ledger chain', chainText(chain))
  for (const text of acceptedLossTexts(chain)) add('accepted', text)
  if (controlTotals) {
    const wrong = controlTotals.violations.total
    const { batches, digests, notRead } = controlTotals
    add(
      'batch totals',
      `${batches} batches counted, ${digests} with a digest, ${wrong === 0 ? 'all' : `${wrong} not`} as in the log` +
        (notRead === 0 ? '' : `; ${notRead} not counted: the log could not be read there`),
    )
  }
  if (deadLetters.total > 0 || deadLetters.violations.total > 0) {
    add('dead letters', String(deadLetters.total))
  }
  for (const table of report.tables) {
    add(
      `table`,
      `${table.table}: ${table.rowsActual} rows, ${table.rowsExpected} expected, ${table.differences.total} different`,
    )
    for (const total of table.totals) {
      add('', `sum of ${total.column}: ${total.actual}, expected ${total.expected}`)
    }
  }
  for (const reason of report.inconclusive) add('inconclusive', reason)
  for (const note of deadLetters.notes.first) add('note', note)
  addMore(deadLetters.notes, add)
  const violations = [chain, deadLetters, ...(controlTotals ? [controlTotals] : [])].flatMap(
    (part) => part.violations.first,
  )
  for (const violation of violations) {
    add('violation', `${violation.class}: ${violation.message}`)
  }
  addMore(chain.violations, add)
  addMore(deadLetters.violations, add)
  if (controlTotals) addMore(controlTotals.violations, add)
  for (const table of report.tables) {
    for (const difference of table.differences.first) {
      add('violation', `${difference.class}: ${table.table} ${differenceText(difference)}`)
    }
    addMore(table.differences, add)
  }
  return lines.join('\n')
}

function chainText(chain: ChainReport): string {
  if (chain.violations.total > 0) return `BROKEN, ${chain.violations.total} violations`
  const pruned = prunedTexts(chain)
  return `unbroken over ${chain.partitions.length} partitions${pruned.length === 0 ? '' : `; ${pruned.join('; ')}`}`
}

function addMore(
  list: { total: number; first: readonly unknown[] },
  add: (label: string, text: string) => void,
) {
  if (list.total > list.first.length) add('', `... and ${list.total - list.first.length} more`)
}

/** `item=a minute=...: expected orders=3, found orders=2`. */
export function differenceText(difference: RowDifference): string {
  const times = difference.times !== undefined && difference.times > 1 ? ` (${difference.times} times)` : ''
  const key = columnsText(difference.key)
  if (difference.expected === difference.key) return `${key} is missing${times}`
  if (difference.actual === difference.key) return `${key} should not be there${times}`
  const expected = difference.expected ? columnsText(difference.expected) : 'no row'
  const actual = difference.actual ? columnsText(difference.actual) : 'no row'
  return `${key}: expected ${expected}, found ${actual}${times}`
}

function columnsText(columns: Readonly<Record<string, string | null>>): string {
  return Object.entries(columns)
    .map(([name, text]) => `${name}=${text ?? 'NULL'}`)
    .join(' ')
}

/** The report for machines: plain JSON values, offsets as strings. */
export function reportAsJson(report: VerifyReport): Record<string, unknown> {
  const { chain, deadLetters, controlTotals } = report
  const list = <T>(bounded: { total: number; first: readonly T[] }, map: (item: T) => unknown) => ({
    total: bounded.total,
    first: bounded.first.map(map),
  })
  return {
    job: report.job,
    outcome: report.outcome,
    exitCode: report.exitCode,
    lost: numberOrNull(report.lost),
    duplicated: numberOrNull(report.duplicated),
    recordsReplayed: report.recordsReplayed,
    chainOnly: report.chainOnly,
    durationMs: Math.round(report.durationMs),
    inconclusive: report.inconclusive,
    acceptedLosses: acceptedLossTexts(chain),
    chain: {
      unbroken: chain.violations.total === 0,
      batches: chain.batches,
      records: chain.records,
      violations: list(chain.violations, violationObject),
      partitions: chain.partitions.map((partition) => ({
        topic: partition.topic,
        partition: partition.partition,
        nextOffset: partition.position === null ? null : String(partition.position.nextOffset),
        prunedBefore: partition.prunedBefore === null ? null : String(partition.prunedBefore),
      })),
    },
    deadLetters: {
      total: deadLetters.total,
      violations: list(deadLetters.violations, violationObject),
      notes: list(deadLetters.notes, (note) => note),
    },
    controlTotals: controlTotals && {
      batches: controlTotals.batches,
      digests: controlTotals.digests,
      notRead: controlTotals.notRead,
      violations: list(controlTotals.violations, violationObject),
    },
    tables: report.tables.map((table) => ({
      table: table.table,
      sink: table.sink,
      rowsExpected: table.rowsExpected,
      rowsActual: table.rowsActual,
      lost: numberOrNull(table.lost),
      duplicated: numberOrNull(table.duplicated),
      totals: table.totals,
      differences: list(table.differences, (difference) => difference),
    })),
  }
}

function violationObject(violation: Violation): Record<string, unknown> {
  return {
    class: violation.class,
    message: violation.message,
    ...(violation.range && { range: formatRange(violation.range) }),
    ...(violation.partition && { partition: topicPartitionKey(violation.partition) }),
    ...(violation.epoch !== undefined && { epoch: String(violation.epoch) }),
    ...(violation.batchId !== undefined && { batchId: violation.batchId }),
  }
}

function numberOrNull(count: bigint | null): number | null {
  return count === null ? null : Number(count)
}
