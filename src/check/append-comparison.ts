import { hash } from 'node:crypto'
import type { RowDifference, TableReport } from './table-report.ts'
import { BoundedList } from './violation.ts'

/*
 * Tables with one row per record are compared as multisets, in memory that does not grow with them. First every row,
 * wanted or found, goes into one of a fixed number of buckets that keep a balance and a checksum. Only when a bucket
 * does not balance are log and table read once more, and the rows of those buckets held against each other.
 */

/** The text under which a row is compared: canonical column texts in column order. */
export type RowText = string

const BUCKETS = 1 << 16

/** First pass: which buckets do not balance. */
export class MultisetDigest {
  /** Expected rows minus rows found. */
  readonly #balance = new Int32Array(BUCKETS)
  /** Rows of either side. */
  readonly #rows = new Uint32Array(BUCKETS)
  /** Two independent sums of row hashes, modulo 2^32: expected minus found. */
  readonly #sums = new Uint32Array(BUCKETS * 2)
  #expected = 0
  #actual = 0

  expect(row: RowText): void {
    this.#expected += 1
    this.#count(row, 1)
  }

  actual(row: RowText): void {
    this.#actual += 1
    this.#count(row, -1)
  }

  get rowsExpected(): number {
    return this.#expected
  }

  get rowsActual(): number {
    return this.#actual
  }

  #count(row: RowText, sign: 1 | -1): void {
    const digest = digestOf(row)
    const bucket = bucketOf(digest)
    this.#balance[bucket] = (this.#balance[bucket] ?? 0) + sign
    this.#rows[bucket] = (this.#rows[bucket] ?? 0) + 1
    for (const half of [0, 1]) {
      const at = bucket * 2 + half
      this.#sums[at] = (this.#sums[at] ?? 0) + sign * digest.readUInt32BE(4 + 4 * half)
    }
  }

  /**
   * What the second pass looks at: buckets that do not balance, up to `maxRows` rows in all (but always one bucket).
   * The others are only counted.
   */
  suspects(maxRows: number): Suspects {
    const buckets = new Set<number>()
    let rows = 0
    let [lostBeyond, duplicatedBeyond] = [0n, 0n]
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const balance = this.#balance[bucket] ?? 0
      // The same number of other rows balances as well: only the sums of the hashes tell.
      if (this.#sums[bucket * 2] === 0 && this.#sums[bucket * 2 + 1] === 0) continue
      rows += this.#rows[bucket] ?? 0
      if (rows <= maxRows || buckets.size === 0) buckets.add(bucket)
      else if (balance > 0) lostBeyond += BigInt(balance)
      else duplicatedBeyond += BigInt(-balance)
    }
    return { buckets, lostBeyond, duplicatedBeyond }
  }
}

export interface Suspects {
  readonly buckets: ReadonlySet<number>
  /** Lower bounds for the buckets that are not looked at. */
  readonly lostBeyond: bigint
  readonly duplicatedBeyond: bigint
}

/** Second pass: the rows of suspect buckets, one by one. */
export class MultisetDetail {
  readonly #suspects: Suspects
  readonly #balances = new Map<RowText, number>()

  constructor(suspects: Suspects) {
    this.#suspects = suspects
  }

  expect(row: RowText): void {
    this.#add(row, 1)
  }

  actual(row: RowText): void {
    this.#add(row, -1)
  }

  #add(row: RowText, sign: 1 | -1): void {
    if (!this.#suspects.buckets.has(bucketOf(digestOf(row)))) return
    const balance = (this.#balances.get(row) ?? 0) + sign
    if (balance === 0) this.#balances.delete(row)
    else this.#balances.set(row, balance)
  }

  finish(describe: (row: RowText) => RowDifference['key']): MultisetResult {
    let { lostBeyond: lost, duplicatedBeyond: duplicated } = this.#suspects
    const differences = new BoundedList<RowDifference>()
    for (const [row, balance] of this.#balances) {
      const times = Math.abs(balance)
      if (balance > 0) lost += BigInt(times)
      else duplicated += BigInt(times)
      const key = describe(row)
      if (balance > 0) differences.add({ class: 'row-missing', key, expected: key, actual: null, times })
      else differences.add({ class: 'row-unexpected', key, expected: null, actual: key, times })
    }
    return { lost, duplicated, differences }
  }
}

export type MultisetResult = Pick<TableReport, 'differences'> & { lost: bigint; duplicated: bigint }

function digestOf(row: RowText): Buffer {
  return hash('sha1', row, 'buffer')
}

function bucketOf(digest: Buffer): number {
  return digest.readUInt16BE(0)
}
