/*
 * What the topic of an arena holds. Record n is the n-th that was produced, and everything about it follows from n: as
 * long as the brokers live, what must be in the tables is known from the number of records alone.
 */

/** Which record is where. */
export interface WitnessLog {
  /** Records of each partition, by partition; offsets count from 0. */
  readonly lengths: readonly number[]
  /** The record's number. */
  at(partition: number, offset: number): number
}

export interface WitnessRecord {
  readonly partition: number
  readonly offset: number
  readonly key: string
  readonly n: number
}

const KEYS = 7

/** The n-th record, from 0, of a topic with that many partitions. */
export function recordAt(n: number, partitions: number): WitnessRecord {
  return {
    n,
    partition: n % partitions,
    offset: Math.floor(n / partitions),
    key: `key ${Math.floor(n / partitions) % KEYS}`,
  }
}

/** The log of a topic to which the first `produced` records were written, in their order. */
export function producedLog(partitions: number, produced: number): WitnessLog {
  return {
    lengths: Array.from({ length: partitions }, (_, partition) =>
      Math.floor((produced - partition + partitions - 1) / partitions),
    ),
    at: (partition, offset) => offset * partitions + partition,
  }
}
