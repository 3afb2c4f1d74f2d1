import { checkChain } from '../../src/check/chain.ts'
import { formatRange } from '../../src/model/offset-range.ts'
import { digestText, RangeDigest } from '../../src/source/range-digest.ts'
import { isPoison, type SimulatedLog, TOPIC } from './log.ts'
import type { State } from './state.ts'
import { addRange, differences, type Totals } from './totals.ts'

/** What is wrong with what the database holds in the end. */
export function finalViolations(log: SimulatedLog, state: State): string[] {
  const chain = checkChain(state.ledger, [...state.positions.values()])
  const violations = chain.violations.first.map(({ class: kind, message }) => `${kind}: ${message}`)
  violations.push(
    ...compareTotals(log, state),
    ...compareDeadLetters(log, state),
    ...compareDigests(log, state),
  )
  return violations
}

/** The table, recomputed from every recorded start to every position. */
function compareTotals(log: SimulatedLog, state: State): string[] {
  const expected: Totals = new Map()
  for (const row of state.positions.values()) {
    const start = state.ledger.find(({ kind, partition }) => kind === 'start' && partition === row.partition)
    addRange(expected, log, {
      topic: TOPIC,
      partition: row.partition,
      from: start?.untilOffset ?? 0n,
      until: row.nextOffset,
    })
  }
  return differences(expected, state.rows).map((difference) => `table: ${difference}`)
}

/** The digest of every batch is that of its range's records, as they are in the log. */
function compareDigests(log: SimulatedLog, { ledger }: State): string[] {
  return ledger.flatMap(({ kind, topic, partition, fromOffset: from, untilOffset: until, digest }) => {
    if (kind !== 'batch') return []
    const expected = new RangeDigest()
    for (const { segment, begin, end } of log.slices(partition, Number(from), Number(until))) {
      expected.add(segment, begin, end)
    }
    if (digest === expected.sum) return []
    const found = digest === null ? 'none' : digestText(digest)
    return [
      `digest: of ${formatRange({ topic, partition, from, until })} it is ${found}, and should be ${digestText(expected.sum)}`,
    ]
  })
}

/** Every poison record before the positions, and no other, is a dead letter once, and the ledger counts it. */
function compareDeadLetters(log: SimulatedLog, state: State): string[] {
  const expected = log.values.flatMap((values, partition) => {
    const position = Number(state.positions.get(`${TOPIC}/${partition}`)?.nextOffset ?? 0n)
    return values.flatMap((value, offset) =>
      value !== null && isPoison(value) && offset < position ? [`${partition}@${offset}`] : [],
    )
  })
  const actual = state.deadLetters.map(({ letter }) => `${letter.partition}@${letter.offset}`)
  const violations: string[] = []
  if (expected.sort().join() !== actual.sort().join())
    violations.push(`dead letters are ${actual.join() || 'none'}, and should be ${expected.join() || 'none'}`)
  const counted = state.ledger.reduce((sum, row) => sum + row.deadLetters, 0)
  if (counted !== actual.length)
    violations.push(`the ledger counts ${counted} dead letters, and there are ${actual.length}`)
  return violations
}
