import type { DeadLetterRow, LedgerRow, PositionRow, Transaction } from '../database/dialect.ts'
import type { FunctionFailure } from '../executor/function-failure.ts'
import type { PartitionTask, Tolerance } from '../executor/partition-task.ts'
import { formatRange } from '../model/offset-range.ts'
import { type TopicPartition, topicPartitionKey } from '../model/topic-partition.ts'
import { recordOffset } from '../source/record-fields.ts'
import type { RecordSegment } from '../source/record-segment.ts'
import type { FetchedRange } from '../source/source.ts'
import { chainKey, rangeOf } from './chain.ts'
import type { ReplayRange } from './replay-ranges.ts'
import { BoundedList, type Violation, type ViolationClass } from './violation.ts'

/*
 * A record is counted in the tables or it is a dead letter, never both and never neither. Three looks at that:
 * - the ledger says of each batch how many of its records were left out, so a dead letter that was deleted is missed;
 * - the tables are recomputed without the dead letters, so one that was counted too makes its rows differ;
 * - a record that fails when it is recomputed must be a dead letter, or nobody knows what became of it.
 */

export interface DeadLetterReport {
  /** Dead letters of the job, of any status. */
  readonly total: number
  readonly violations: BoundedList<Violation>
  /** What a person may want to know and what contradicts nothing. */
  readonly notes: BoundedList<string>
}

const PAGE = 1_000

/** Every dead letter of the job, without what is in the records. */
export async function readAllDeadLetters(snapshot: Transaction, job: string): Promise<DeadLetterRow[]> {
  const letters: DeadLetterRow[] = []
  for (;;) {
    const after = letters.at(-1)
    const page = await snapshot.listDeadLetters(job, { limit: PAGE, ...(after && { after }) })
    letters.push(...page)
    if (page.length < PAGE) return letters
  }
}

export class DeadLetterCheck {
  readonly #total: number
  /** Dead letters that were not replayed, by partition and incarnation, then by offset. */
  readonly #leftOut = new Map<string, Map<number, DeadLetterRow>>()
  readonly #violations = new BoundedList<Violation>()
  readonly #notes = new BoundedList<string>()

  constructor(
    letters: readonly DeadLetterRow[],
    ledger: readonly LedgerRow[],
    positions: readonly PositionRow[],
  ) {
    this.#total = letters.length
    const byChain = new Map<string, DeadLetterRow[]>()
    for (const letter of letters) {
      const chain = chainKey(letter)
      const ofChain = byChain.get(chain) ?? []
      byChain.set(chain, ofChain)
      ofChain.push(letter)
      if (letter.status === 'replayed') continue
      const leftOut = this.#leftOut.get(chain) ?? new Map<number, DeadLetterRow>()
      this.#leftOut.set(chain, leftOut)
      leftOut.set(Number(letter.offset), letter)
    }
    for (const ofChain of byChain.values()) ofChain.sort((a, b) => Number(a.offset - b.offset))
    for (const row of ledger)
      if (row.kind === 'batch') this.#compareBatch(row, byChain.get(chainKey(row)) ?? [])
    this.#findUncommitted(letters, positions)
    this.#findUnaccounted(letters, ledger)
  }

  /** How one range is recomputed: without its dead letters, and with what fails besides told. */
  tolerance(range: ReplayRange, isFirstPass: boolean): Tolerance {
    const leaveOut = this.#leftOut.get(chainKey(range))
    return {
      leaveOut: new Set(leaveOut?.keys()),
      onFailure: (segment, i, failure) => {
        if (isFirstPass) this.#fails(segment, i, failure)
      },
    }
  }

  /** Looks at the dead letters of a range that was read again, once per range. */
  look({ range, slices }: FetchedRange, { incarnation }: ReplayRange, task: PartitionTask): void {
    const leftOut = this.#leftOut.get(chainKey({ ...range, incarnation }))
    if (!leftOut) return
    const here = [...leftOut.values()].filter(({ offset }) => offset >= range.from && offset < range.until)
    const missing = new Map(here.map((letter) => [Number(letter.offset), letter]))
    for (const { segment, begin, end } of slices) {
      for (let i = begin; i < end && missing.size > 0; i++) {
        const letter = missing.get(recordOffset(segment, i))
        if (!letter) continue
        missing.delete(Number(letter.offset))
        if (letter.code !== 'JOB_FUNCTION_FAILED' || letter.stage === 'sink' || task.probe(segment, i))
          continue
        this.#notes.add(
          `the dead letter ${nameOf(letter)} no longer fails (${letter.stage} did): the job's functions have changed since`,
        )
      }
    }
    for (const letter of missing.values()) {
      this.#notes.add(`the record of the dead letter ${nameOf(letter)} is no longer in the log`)
    }
  }

  finish(): DeadLetterReport {
    return { total: this.#total, violations: this.#violations, notes: this.#notes }
  }

  #fails(segment: RecordSegment, i: number, failure: FunctionFailure): void {
    const at = { topic: segment.topic, partition: segment.partition }
    this.#report(
      'dead-letter-missing',
      at,
      `${topicPartitionKey(at)} offset ${recordOffset(segment, i)} is no dead letter, and fails when it is computed again: ` +
        `${failure.where} failed: ${failure.message}. It was left out without a trace, or counted by other functions than these`,
    )
  }

  #compareBatch(row: LedgerRow, letters: readonly DeadLetterRow[]): void {
    const inRange = letters.slice(countBelow(letters, row.fromOffset), countBelow(letters, row.untilOffset))
    const where = {
      range: rangeOf(row),
      epoch: row.epoch,
      ...(row.batchId !== null && { batchId: row.batchId }),
    }
    if (inRange.length !== row.deadLetters) {
      this.#report(
        'dead-letter-count',
        row,
        `batch ${row.batchId ?? '(unnamed)'} left out ${row.deadLetters} records of ${formatRange(rangeOf(row))}, and ` +
          `${inRange.length} of them are dead letters`,
        where,
      )
    }
    for (const letter of inRange) {
      if (letter.batchId === row.batchId) continue
      const message = `${nameOf(letter)} is a dead letter of batch ${letter.batchId}, and batch ${row.batchId} has committed its range`
      this.#report('dead-letter-unaccounted', row, message, where)
    }
  }

  #findUncommitted(letters: readonly DeadLetterRow[], positions: readonly PositionRow[]): void {
    const position = new Map(positions.map((row) => [chainKey(row), row.nextOffset]))
    for (const letter of letters) {
      const next = position.get(chainKey(letter))
      if (next === undefined || letter.offset < next) continue
      this.#report(
        'dead-letter-uncommitted',
        letter,
        `${nameOf(letter)} is a dead letter, and its partition is committed up to ${next} only: it will be read again`,
        { batchId: letter.batchId },
      )
    }
  }

  /**
   * Every dead letter lies where its incarnation of the position has been: from the row that opens it, which retention
   * never deletes, to the one that opens the next.
   */
  #findUnaccounted(letters: readonly DeadLetterRow[], ledger: readonly LedgerRow[]): void {
    const openings = new Map(ledger.filter(({ kind }) => kind !== 'batch').map((row) => [chainKey(row), row]))
    for (const letter of letters) {
      const opening = openings.get(chainKey(letter))
      const next = openings.get(chainKey({ ...letter, incarnation: letter.incarnation + 1 }))
      const isCovered =
        opening && letter.offset >= opening.untilOffset && (!next || letter.offset < next.fromOffset)
      if (isCovered) continue
      const message = `${nameOf(letter)} is a dead letter of incarnation ${letter.incarnation}, which has committed nothing there`
      this.#report('dead-letter-unaccounted', letter, message, { batchId: letter.batchId })
    }
  }

  #report(
    name: ViolationClass,
    { topic, partition }: TopicPartition,
    message: string,
    more: Partial<Violation> = {},
  ): void {
    this.#violations.add({ class: name, message, partition: { topic, partition }, ...more })
  }
}

function nameOf(letter: DeadLetterRow): string {
  return `${topicPartitionKey(letter)} offset ${letter.offset}`
}

/** How many of the letters, sorted by offset, lie below `bound`. */
function countBelow(letters: readonly DeadLetterRow[], bound: bigint): number {
  let [low, high] = [0, letters.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((letters[middle]?.offset ?? bound) < bound) low = middle + 1
    else high = middle
  }
  return low
}
