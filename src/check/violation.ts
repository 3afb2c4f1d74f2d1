import type { OffsetRange } from '../model/offset-range.ts'
import type { TopicPartition } from '../model/topic-partition.ts'

/** Every way in which positions, ledger, log and tables can contradict each other. */
export type ViolationClass =
  // --- the ledger's chain (chain.ts)
  /** Offsets between two rows of the ledger, or before the position, were never committed: records lost. */
  | 'gap'
  /** A row begins before the previous one ended: records committed twice. */
  | 'overlap'
  /** The same range stands in the ledger twice. */
  | 'duplicate'
  /** A batch that moves its partition nowhere or backwards. */
  | 'empty-batch'
  /** A start, or the row of an operator act, where none belongs, or none where one belongs. */
  | 'start-misplaced'
  /** An operator's act that does not say who has accepted what and why, or that has fenced nobody. */
  | 'act-unaccounted'
  /** The position lies beyond the last row of the ledger. */
  | 'position-past-ledger'
  /** The position lies before the end of the last row of the ledger. */
  | 'position-behind-ledger'
  /** A partition has a position and no ledger, or a ledger and no position. */
  | 'position-without-ledger'
  | 'ledger-without-position'
  /** A later row carries a smaller fencing epoch: a fenced owner has committed. */
  | 'epoch-fell'
  /** Two claims committed under one epoch, or a claim committed again after another one had. */
  | 'claims-interleaved'
  /** The position counts other batches than the ledger has. */
  | 'batch-count'
  /** More records than offsets, or a negative number of them. */
  | 'impossible-record-count'
  // --- log against ledger (control-totals.ts)
  /** A batch committed another number of records than its range has in the log. */
  | 'record-count'
  /** A batch committed as many records as its range has in the log, and their digest is another one. */
  | 'record-digest'
  /** A batch without a digest, of a job that has wanted them from its beginning. */
  | 'digest-missing'
  // --- dead letters (dead-letters.ts)
  /** A batch left out another number of records than there are dead letters in its range. */
  | 'dead-letter-count'
  /** A record that fails when it is computed again is no dead letter. */
  | 'dead-letter-missing'
  /** A dead letter lies past the position of its partition. */
  | 'dead-letter-uncommitted'
  /** A dead letter lies where its incarnation of the position has committed nothing, or is of another batch than its range. */
  | 'dead-letter-unaccounted'
  // --- log against tables (merge-comparison.ts, append-comparison.ts)
  | 'row-missing'
  | 'row-unexpected'
  | 'row-different'
  /** Two rows of one key in a table that has one row per key. */
  | 'row-repeated'

export interface Violation {
  readonly class: ViolationClass
  /** One sentence with the values that contradict each other. */
  readonly message: string
  readonly partition?: TopicPartition
  readonly range?: OffsetRange
  readonly epoch?: bigint
  readonly batchId?: string
  readonly table?: string
}

/** Counts everything and keeps the first few: a broken run of a million rows must not need the memory of them. */
export class BoundedList<T> {
  readonly limit: number
  readonly #first: T[] = []
  #total = 0

  constructor(limit = 20) {
    this.limit = limit
  }

  add(item: T): void {
    this.#total += 1
    if (this.#first.length < this.limit) this.#first.push(item)
  }

  get first(): readonly T[] {
    return this.#first
  }

  get total(): number {
    return this.#total
  }
}
