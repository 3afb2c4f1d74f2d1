import { invariant, OncesinkError } from '../errors.ts'
import { formatRange, type OffsetRange } from '../model/offset-range.ts'
import { topicPartitionKey } from '../model/topic-partition.ts'
import type { Clock } from '../runtime/clock.ts'
import type { FetchedRange, LogSource, SeekPosition } from '../source/source.ts'
import type { ReplayRange } from './replay-ranges.ts'

/** Records taken at once: enough to be fast, few enough to report progress and hold little. */
const TAKE_RECORDS = 20_000
const TAKE_WAIT_MS = 1_000
/** Without any progress for this long the log is taken to be unreadable. */
const STALL_MS = 60_000

export interface ReplayProgress {
  /** Offsets read so far and in all. */
  readonly offsets: bigint
  readonly ofOffsets: bigint
  readonly records: number
}

export interface Replay {
  readonly source: LogSource
  readonly ranges: readonly ReplayRange[]
  /** The ids that the positions belong to, by topic. */
  readonly topicIds: ReadonlyMap<string, string>
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly onRange: (fetched: FetchedRange, of: ReplayRange) => Promise<void>
}

/**
 * Reads ranges again, from their first to their last offset and not one further, in one thread. Several ranges of
 * one partition are read in their order, one per round.
 * @param onTurn called after every take, also when it brought nothing: at least about once a second
 * @throws OncesinkError what LogSource.seek and LogSource.take throw; SOURCE_UNAVAILABLE when reading makes no progress
 */
export async function replay(
  { source, ranges, topicIds, clock, signal, onRange }: Replay,
  onTurn: (progress: ReplayProgress) => Promise<void>,
): Promise<void> {
  const ofOffsets = ranges.reduce((sum, range) => sum + range.until - range.from, 0n)
  let offsets = 0n
  let records = 0
  for (const round of roundsOf(ranges)) {
    const open = new Map(round.map((range) => [topicPartitionKey(range), { ...range, next: range.from }]))
    const until = new Map(round.map((range) => [topicPartitionKey(range), range.until]))
    await source.seek(round.map((range) => seekPosition(range, topicIds)))
    let progressAt = clock.monotonicMs()
    while (open.size > 0) {
      signal.throwIfAborted()
      const limits = { maxRecords: TAKE_RECORDS, maxWaitMs: TAKE_WAIT_MS, until }
      const taken = await source.take({ ...limits, includeEmptyRanges: true, order: 'fair' }, signal)
      for (const fetched of taken) {
        const key = topicPartitionKey(fetched.range)
        const wanted = open.get(key)
        const inOrder = wanted && fetched.range.from === wanted.next && fetched.range.until <= wanted.until
        invariant(inOrder, `the source returned ${formatRange(fetched.range)}, not what was asked for`)
        await onRange(fetched, wanted)
        wanted.next = fetched.range.until
        offsets += fetched.range.until - fetched.range.from
        records += fetched.records
        progressAt = clock.monotonicMs()
        if (wanted.next === wanted.until) {
          open.delete(key)
          source.drop([wanted])
        }
      }
      await onTurn({ offsets, ofOffsets, records })
      if (clock.monotonicMs() - progressAt > STALL_MS) throw stalled([...open.values()])
    }
  }
}

function roundsOf(ranges: readonly ReplayRange[]): ReplayRange[][] {
  const rounds: ReplayRange[][] = []
  const seen = new Map<string, number>()
  for (const range of ranges) {
    const key = topicPartitionKey(range)
    const round = seen.get(key) ?? 0
    seen.set(key, round + 1)
    const ofRound = rounds[round] ?? []
    rounds[round] = ofRound
    ofRound.push(range)
  }
  return rounds
}

function seekPosition(range: OffsetRange, topicIds: ReadonlyMap<string, string>): SeekPosition {
  const topicId = topicIds.get(range.topic)
  invariant(topicId !== undefined, `a position of topic '${range.topic}' names its topic id`)
  return { topic: range.topic, partition: range.partition, nextOffset: range.from, leaderEpoch: -1, topicId }
}

function stalled(open: readonly (OffsetRange & { next: bigint })[]): OncesinkError {
  const rest = open.map((range) => formatRange({ ...range, from: range.next })).join(', ')
  return new OncesinkError(
    'SOURCE_UNAVAILABLE',
    `reading the log again made no progress for ${STALL_MS / 1000} s; still to read: ${rest}. ` +
      'Check the brokers and run verify again.',
  )
}
