import { OncesinkError } from '../errors.ts'
import { describeValue } from '../model/excerpt.ts'
import { sortedByPartition, type TopicPartition, topicPartitionKey } from '../model/topic-partition.ts'
import { type PlainRecord, segmentFromRecords } from '../source/record-segment.ts'
import type { FetchedRange } from '../source/source.ts'

/** One record, as a producer would send it. */
export interface TestRecord {
  /** Bytes and strings are sent as they are, null is a tombstone, and everything else is sent as its JSON. */
  readonly value: unknown
  /** Like `value`. @default null */
  readonly key?: unknown
  /** Values are bytes or strings; an entry list keeps names that repeat. @default none */
  readonly headers?:
    | Readonly<Record<string, Uint8Array | string | null>>
    | readonly (readonly [string, Uint8Array | string | null])[]
    | undefined
  /** @default the job's first topic */
  readonly topic?: string | undefined
  /** @default 0 */
  readonly partition?: number | undefined
  /** A Date, or milliseconds since 1970. @default 0 */
  readonly timestamp?: Date | number | undefined
}

/** A log in memory: gives every record the next offset of its partition, from 0. */
export class TestLog {
  readonly #defaultTopic: string
  readonly #ends = new Map<string, number>()

  constructor(defaultTopic: string) {
    this.#defaultTopic = defaultTopic
  }

  /**
   * Appends records, and gives them as a source would: one range per partition, in partition order.
   * @throws OncesinkError CONFIGURATION_INVALID for a record that no producer can send
   */
  append(records: readonly TestRecord[]): FetchedRange[] {
    const byPartition = new Map<string, { at: TopicPartition; records: TestRecord[] }>()
    for (const record of records) {
      const at = { topic: record.topic ?? this.#defaultTopic, partition: record.partition ?? 0 }
      if (!Number.isInteger(at.partition) || at.partition < 0) {
        throw refused(`partition must be an integer from 0, but is ${describeValue(at.partition)}`)
      }
      const key = topicPartitionKey(at)
      const known = byPartition.get(key) ?? { at, records: [] }
      byPartition.set(key, known)
      known.records.push(record)
    }
    const sorted = sortedByPartition([...byPartition.values()].map((entry) => ({ ...entry.at, entry })))
    return sorted.map(({ entry }) => this.#rangeOf(entry.at, entry.records))
  }

  #rangeOf(at: TopicPartition, records: readonly TestRecord[]): FetchedRange {
    const key = topicPartitionKey(at)
    const from = this.#ends.get(key) ?? 0
    const plain = records.map((record, i) => plainRecord(record, from + i))
    const until = from + records.length
    this.#ends.set(key, until)
    const segment = segmentFromRecords(at.topic, at.partition, plain)
    return {
      range: { ...at, from: BigInt(from), until: BigInt(until) },
      records: records.length,
      bytes: segment.buffer.length,
      slices: [{ segment, begin: 0, end: records.length }],
      leaderEpoch: 0,
    }
  }
}

function plainRecord(record: TestRecord, offset: number): PlainRecord {
  const { key = null, value, headers = [], timestamp = 0 } = record
  const timestampMs = typeof timestamp === 'number' ? timestamp : timestamp.getTime()
  if (!Number.isInteger(timestampMs)) {
    throw refused(`timestamp must be a Date or whole milliseconds, but is ${describeValue(timestamp)}`)
  }
  return {
    offset,
    timestampMs,
    key: encoded('key', key),
    value: encoded('value', value),
    headers: Array.isArray(headers) ? headers : Object.entries(headers),
  }
}

function encoded(what: string, value: unknown): Uint8Array | string | null {
  if (value === null || typeof value === 'string' || value instanceof Uint8Array) return value
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (error) {
    throw refused(`${what} is ${describeValue(value)}, which has no JSON`, error)
  }
  if (text !== undefined) return text
  throw refused(`${what} is ${describeValue(value)}, which has no JSON: null is a record without one`)
}

function refused(problem: string, cause?: unknown): OncesinkError {
  return new OncesinkError('CONFIGURATION_INVALID', `a record cannot be sent: ${problem}`, { cause })
}
