import type { SegmentSlice } from '../../src/source/record-segment.ts'
import { type RecordSegment, segmentFromRecords } from '../../src/source/record-segment.ts'
import { Dice } from './dice.ts'

export const TOPIC = 't'
export const TOPIC_ID = 'topic-id'
/** A value that the job's own function cannot take. */
export const UNPARSABLE = 'unparsable'
/** A key that the database rejects. */
export const REJECTED = 'rejected'
const ITEMS = 4

export interface LogWanted {
  readonly partitions: number
  /** Offsets of each partition. */
  readonly length: number
  /** Records that are there from the beginning; the others come one by one until {@link untilMs}. */
  readonly backlog: number
  readonly untilMs: number
  readonly hasPoison: boolean
}

/** A topic whose partitions grow. Some offsets are control records, which nobody sees. */
export class SimulatedLog {
  /** Per partition the value of each offset; null is a control record. */
  readonly values: readonly (readonly (string | null)[])[]
  readonly #wanted: LogWanted
  readonly #segments: readonly {
    readonly segment: RecordSegment | null
    readonly indexes: readonly number[]
  }[]

  constructor(seed: number, wanted: LogWanted) {
    this.#wanted = wanted
    const dice = new Dice(seed, 2)
    const value = () => {
      if (dice.chance(0.1)) return null
      if (!wanted.hasPoison || !dice.chance(0.06)) return `k${dice.below(ITEMS)}`
      return dice.chance(0.5) ? UNPARSABLE : REJECTED
    }
    this.values = Array.from({ length: wanted.partitions }, () =>
      Array.from({ length: wanted.length }, value),
    )
    this.#segments = this.values.map((values, partition) => {
      const records: { offset: number; value: string }[] = []
      const indexes = values.map((value, offset) => {
        if (value !== null) records.push({ offset, value })
        return records.length - (value === null ? 0 : 1)
      })
      const segment = records.length > 0 ? segmentFromRecords(TOPIC, partition, records) : null
      return { segment, indexes: [...indexes, records.length] }
    })
  }

  get partitions(): number {
    return this.#wanted.partitions
  }

  /** Whether some values cannot be processed. */
  get hasPoison(): boolean {
    return this.#wanted.hasPoison
  }

  /** Offsets of each partition once everything has been written. */
  get length(): number {
    return this.#wanted.length
  }

  /** The end of a partition at a moment in simulated milliseconds. */
  endAt(partition: number, ms: number): number {
    const { length, backlog, untilMs } = this.#wanted
    if (partition >= this.partitions) return 0
    return Math.min(length, backlog + Math.floor(((length - backlog) * ms) / untilMs))
  }

  /** Visible records of [from, until). */
  slices(partition: number, from: number, until: number): SegmentSlice[] {
    const { segment, indexes } = this.#segments[partition] ?? {}
    const [begin, end] = [indexes?.[from] ?? 0, indexes?.[until] ?? 0]
    return segment && end > begin ? [{ segment, begin, end }] : []
  }
}

export function isPoison(value: string): boolean {
  return value === UNPARSABLE || value === REJECTED
}
