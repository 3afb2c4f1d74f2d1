import { onTestFinished } from 'vitest'
import { topicPartitionKey } from '../../src/model/topic-partition.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { createKafkaSource } from '../../src/source/kafka/kafka-source.ts'
import { type KafkaOptions, kafka } from '../../src/source/kafka/options.ts'
import { createSecondReader } from '../../src/source/kafka/second-reader/second-reader.ts'
import { recordHeaders, recordKey, recordOffset } from '../../src/source/record-fields.ts'
import type { FetchedRange, LogSource, SeekPosition, Source, TakeLimits } from '../../src/source/source.ts'
import { EventBus, type JobEvents } from '../../src/telemetry/events.ts'
import { kafkaService } from './kafka-service.ts'

export interface OpenedSource {
  readonly source: Source
  readonly events: EventBus<JobEvents>
}

export const never = new AbortController().signal

/** An open source that is closed when the test has finished. */
export async function openSource(
  topics: readonly string[],
  options: Partial<KafkaOptions> = {},
  maxBufferedBytes = 64 * 1024 * 1024,
): Promise<OpenedSource> {
  const events = new EventBus<JobEvents>()
  const plan = kafka({ brokers: kafkaService().brokers, topics, ...options })
  const source = createKafkaSource(plan, { runtime: systemRuntime, events, maxBufferedBytes })
  onTestFinished(() => source.close())
  await source.open()
  return { source, events }
}

/** An open second reader that is closed when the test has finished. */
export async function openSecondReader(
  topics: readonly string[],
  options: Partial<KafkaOptions> = {},
  maxBufferedBytes = 64 * 1024 * 1024,
): Promise<LogSource> {
  const plan = kafka({ brokers: kafkaService().brokers, topics, ...options })
  const deps = { runtime: systemRuntime, maxBufferedBytes }
  const guide = createKafkaSource(plan, { ...deps, events: new EventBus<JobEvents>() })
  const reader = createSecondReader(plan, { ...deps, guide })
  onTestFinished(() => reader.close())
  await reader.open()
  return reader
}

/** Positions of every partition of every topic; `offset` is the same for all. */
export async function positionsAt(source: LogSource, offset: bigint): Promise<SeekPosition[]> {
  const { topics } = await source.describe()
  return topics.flatMap(({ topic, topicId, partitions }) =>
    Array.from({ length: partitions }, (_, partition) => ({
      topic,
      partition,
      topicId,
      nextOffset: offset,
      leaderEpoch: -1,
    })),
  )
}

export interface ReadRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: Readonly<Record<string, string | null>>
}

/** The records of ranges as plain objects, in the order of the ranges. */
export function recordsOf(ranges: readonly FetchedRange[]): ReadRecord[] {
  return ranges.flatMap(({ slices }) =>
    slices.flatMap(({ segment, begin, end }) =>
      Array.from({ length: end - begin }, (_, n): ReadRecord => {
        const i = begin + n
        const valueEnd = segment.valueEnd[i] ?? -1
        return {
          topic: segment.topic,
          partition: segment.partition,
          offset: recordOffset(segment, i),
          timestampMs: segment.timestamps[i] ?? Number.NaN,
          key: text(recordKey(segment, i)),
          value: valueEnd === -1 ? null : segment.buffer.toString('utf8', segment.valueStart[i], valueEnd),
          headers: Object.fromEntries([...recordHeaders(segment, i)].map(([name, v]) => [name, text(v)])),
        }
      }),
    ),
  )
}

function text(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString()
}

/** Keeps what was taken, and throws when a range does not begin where the partition's previous one ended. */
export class Collector {
  readonly records: ReadRecord[] = []
  readonly ranges: FetchedRange[] = []
  readonly #positions = new Map<string, bigint>()

  add(ranges: readonly FetchedRange[]): void {
    for (const { range } of ranges) {
      const key = topicPartitionKey(range)
      const previous = this.#positions.get(key)
      if (previous !== undefined && previous !== range.from) {
        throw new Error(`a range of ${key} begins at ${range.from}, the previous one ended at ${previous}`)
      }
      this.#positions.set(key, range.until)
    }
    this.ranges.push(...ranges)
    this.records.push(...recordsOf(ranges))
  }

  get values(): (string | null)[] {
    return this.records.map(({ value }) => value)
  }
}

const takeDefaults: TakeLimits = {
  maxRecords: 10_000,
  maxWaitMs: 500,
  includeEmptyRanges: false,
  order: 'fair',
}

/** Takes until `count` records have come, or for `timeoutMs`. */
export async function takeRecords(
  source: Source,
  count: number,
  limits: Partial<TakeLimits> = {},
  timeoutMs = 30_000,
): Promise<Collector> {
  const collector = new Collector()
  const deadline = Date.now() + timeoutMs
  while (collector.records.length < count) {
    if (Date.now() > deadline) {
      throw new Error(`only ${collector.records.length} of ${count} records came in ${timeoutMs} ms`)
    }
    collector.add(await source.take({ ...takeDefaults, ...limits }, never))
  }
  return collector
}

/** Takes until every partition has been read up to `until` (by `topicPartitionKey`), empty ranges included. */
export async function takeUntil(source: Source, until: ReadonlyMap<string, bigint>): Promise<Collector> {
  const collector = new Collector()
  const deadline = Date.now() + 30_000
  const behind = () => source.progress().filter((p) => p.position < (until.get(topicPartitionKey(p)) ?? 0n))
  while (behind().length > 0) {
    if (Date.now() > deadline) throw new Error(`still behind: ${behind().map(topicPartitionKey).join(', ')}`)
    collector.add(
      await source.take({ ...takeDefaults, maxWaitMs: 20, includeEmptyRanges: true, until }, never),
    )
  }
  return collector
}

/** Reads a log again from the given positions up to `until` (by `topicPartitionKey`), and drops what has been read. */
export async function readAgain(
  log: LogSource,
  positions: readonly SeekPosition[],
  until: ReadonlyMap<string, bigint>,
  maxRecords = 1_000,
): Promise<Collector> {
  const collector = new Collector()
  const deadline = Date.now() + 60_000
  const open = new Map(positions.map((position) => [topicPartitionKey(position), position]))
  for (const [key, { nextOffset }] of open) if (nextOffset >= (until.get(key) ?? 0n)) open.delete(key)
  await log.seek([...open.values()])
  const limits = { maxRecords, maxWaitMs: 100, until, includeEmptyRanges: true, order: 'fair' } as const
  while (open.size > 0) {
    if (Date.now() > deadline) throw new Error(`still open: ${[...open.keys()].join(', ')}`)
    const ranges = await log.take(limits, never)
    collector.add(ranges)
    for (const { range } of ranges) {
      const key = topicPartitionKey(range)
      if (range.until < (until.get(key) ?? 0n)) continue
      open.delete(key)
      log.drop([range])
    }
  }
  return collector
}

/** Where every partition ends now for a reader of committed records, by `topicPartitionKey`. */
export async function ends(source: LogSource): Promise<Map<string, bigint>> {
  const marks = await source.watermarks(await positionsAt(source, 0n))
  return new Map(marks.map((mark) => [topicPartitionKey(mark), mark.lastStable]))
}
