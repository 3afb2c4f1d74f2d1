/*
 * What the topic of an arena holds. Record n is the n-th that was produced, and everything about it follows from n: what
 * must be in the tables is known from the number of records alone, and no code of a pipeline has a part in it.
 */

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

/** Which record is at these coordinates. */
export function numberAt(partition: number, offset: number, partitions: number): number {
  return offset * partitions + partition
}

/** How many records a partition has when `produced` were produced. */
export function lengthOf(partition: number, partitions: number, produced: number): number {
  return Math.floor((produced - partition + partitions - 1) / partitions)
}
