import type { LedgerRow } from '../database/dialect.ts'
import { formatRange, type OffsetRange } from '../model/offset-range.ts'
import { digestText, RangeDigest } from '../source/range-digest.ts'
import { recordOffset } from '../source/record-fields.ts'
import type { FetchedRange } from '../source/source.ts'
import { chainKey, rangeOf } from './chain.ts'
import type { ReplayRange } from './replay-ranges.ts'
import { BoundedList, type Violation, type ViolationClass } from './violation.ts'

export interface ControlTotalsReport {
  /** Batches that committed fewer records than their range has in the log, or as many others. */
  readonly violations: BoundedList<Violation>
  /**
   * Batches that committed more records than their range still has: the log was compacted since, or records were
   * counted twice. The log alone cannot tell which.
   */
  readonly shrunk: BoundedList<string>
  /** Batches whose records were counted again. */
  readonly batches: number
  /** How many of them have a digest, which was computed again. */
  readonly digests: number
  /** Batches whose range the log no longer has, or of which it was not read to its end. */
  readonly notRead: number
}

/**
 * Control totals: counts the log's records batch by batch and computes the digests of those that have one, and compares
 * with what each batch says it committed. A batch is judged when its range has been read to its end; partitions whose chain
 * is broken are left out, the chain's own violations say what is wrong with them.
 */
export class ControlTotals {
  readonly #chains = new Map<string, ChainTotals>()
  readonly #violations = new BoundedList<Violation>()
  readonly #shrunk = new BoundedList<string>()
  #left: number
  #batches = 0
  #digests = 0

  readonly #digestsExpected: boolean

  /**
   * @param replayed what is going to be read, each range from its beginning
   * @param digestsExpected whether a batch without a digest is a violation
   */
  constructor(ledger: readonly LedgerRow[], replayed: readonly ReplayRange[], digestsExpected = false) {
    this.#digestsExpected = digestsExpected
    const rowsOf = new Map<string, LedgerRow[]>()
    const ranges = new Map(replayed.map((range) => [chainKey(range), range]))
    this.#left = 0
    for (const row of ledger) {
      if (row.kind !== 'batch') continue
      this.#left += 1
      const range = ranges.get(chainKey(row))
      if (!range || !contains(range, row)) continue
      const rows = rowsOf.get(chainKey(row)) ?? []
      rowsOf.set(chainKey(row), rows)
      rows.push(row)
    }
    for (const [key, rows] of rowsOf) {
      rows.sort((a, b) => (a.fromOffset < b.fromOffset ? -1 : 1))
      const rising = rows.every((row, i) => i === 0 || row.fromOffset >= (rows[i - 1]?.untilOffset ?? 0n))
      if (rising) this.#chains.set(key, new ChainTotals(rows))
      else this.#left -= rows.length
    }
  }

  /** The next stretch of a range that is read again. */
  add(fetched: FetchedRange, of: ReplayRange): void {
    this.#chains.get(chainKey(of))?.add(fetched, (row, records, digest) => this.#judge(row, records, digest))
  }

  finish(): ControlTotalsReport {
    return {
      violations: this.#violations,
      shrunk: this.#shrunk,
      batches: this.#batches,
      digests: this.#digests,
      notRead: this.#left,
    }
  }

  #judge(row: LedgerRow, records: number, digest: bigint | null): void {
    this.#left -= 1
    this.#batches += 1
    if (digest !== null) this.#digests += 1
    const batch = `batch ${row.batchId ?? '(unnamed)'}`
    if (digest === null && this.#digestsExpected) {
      const message = `${batch} of ${formatRange(rangeOf(row))} has no digest, and its job wants them`
      this.#violations.add(violationOf('digest-missing', row, message))
    }
    const of = `${formatRange(rangeOf(row))} in epoch ${row.epoch}`
    if (records !== row.records) {
      const message = `${batch} committed ${row.records} records of ${of}, and the log has ${records} there`
      if (records < row.records) this.#shrunk.add(message)
      else this.#violations.add(violationOf('record-count', row, message))
    } else if (digest !== null && digest !== row.digest) {
      const message =
        `${batch} committed ${row.records} records of ${of} with the digest ${digestText(row.digest ?? 0n)}, and as many ` +
        `in the log have ${digestText(digest)}: they are other records, or the log has others there since`
      this.#violations.add(violationOf('record-digest', row, message))
    }
  }
}

type Judge = (row: LedgerRow, records: number, digest: bigint | null) => void

/** Goes through the batches of one chain as their ranges are read. */
class ChainTotals {
  /** Rising and without overlap. */
  readonly #rows: readonly LedgerRow[]
  /** The batch at hand, and what was read of it. */
  #at = -1
  #from = 0
  #until = 0
  #records = 0
  #digest: RangeDigest | null = null

  constructor(rows: readonly LedgerRow[]) {
    this.#rows = rows
    this.#next()
  }

  add({ range, slices }: FetchedRange, judge: Judge): void {
    for (const { segment, begin, end } of slices) {
      for (let i = begin; i < end; ) {
        const first = recordOffset(segment, i)
        this.#passTo(first, judge)
        const isInside = first >= this.#from
        const bound = isInside ? this.#until : this.#from
        let j = i + 1
        while (j < end && recordOffset(segment, j) < bound) j += 1
        if (isInside) {
          this.#records += j - i
          this.#digest?.add(segment, i, j)
        }
        i = j
      }
    }
    this.#passTo(Number(range.until), judge)
  }

  /** Batches that end at `offset` or before it have been read. */
  #passTo(offset: number, judge: Judge): void {
    for (let row = this.#rows[this.#at]; row && this.#until <= offset; row = this.#rows[this.#at]) {
      judge(row, this.#records, this.#digest?.sum ?? null)
      this.#next()
    }
  }

  #next(): void {
    this.#at += 1
    const row = this.#rows[this.#at]
    this.#from = Number(row?.fromOffset ?? Number.POSITIVE_INFINITY)
    this.#until = Number(row?.untilOffset ?? Number.POSITIVE_INFINITY)
    this.#records = 0
    this.#digest = row && row.digest !== null ? new RangeDigest() : null
  }
}

function violationOf(kind: ViolationClass, row: LedgerRow, message: string): Violation {
  return {
    class: kind,
    message,
    partition: { topic: row.topic, partition: row.partition },
    range: rangeOf(row),
    epoch: row.epoch,
    ...(row.batchId !== null && { batchId: row.batchId }),
  }
}

function contains(range: OffsetRange, row: LedgerRow): boolean {
  return range.from <= row.fromOffset && row.untilOffset <= range.until
}
