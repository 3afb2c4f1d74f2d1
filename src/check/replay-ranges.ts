import type { LedgerRow } from '../database/dialect.ts'
import { formatRange, type OffsetRange } from '../model/offset-range.ts'
import { topicPartitionKey } from '../model/topic-partition.ts'
import type { Watermarks } from '../source/source.ts'
import type { PartitionChain } from './chain.ts'

/** A range that is read again, and the incarnation of the position under which it was committed. */
export interface ReplayRange extends OffsetRange {
  readonly incarnation: number
}

/** What has to be read again, or why it cannot be. */
export interface ReplayPlan {
  /** Ranges of one partition in the order in which they were committed; partitions in partition order. */
  readonly ranges: readonly ReplayRange[]
  /** Non-empty when the tables cannot be recomputed from the log as it is now. */
  readonly obstacles: readonly string[]
  /** What of {@link ranges} the log still has as it was then: all of it, where there are no obstacles. */
  readonly readable: readonly ReplayRange[]
}

/**
 * Which offsets the tables stand for. Taken from the starts, the operator's acts and the positions, never from the
 * batches: those are what is being checked.
 *
 * `start` begins reading; `reset` and `accept_loss` go on elsewhere; `rebuild` empties the tables first.
 */
export function planReplay(chains: readonly PartitionChain[], watermarks: readonly Watermarks[]): ReplayPlan {
  const bounds = new Map(watermarks.map((w) => [topicPartitionKey(w), w]))
  const ranges: ReplayRange[] = []
  const readable: ReplayRange[] = []
  const obstacles: string[] = []
  for (const chain of chains) {
    const bound = bounds.get(topicPartitionKey(chain))
    if (!bound) {
      obstacles.push(
        `${topicPartitionKey(chain)} is not in the log: the topic has fewer partitions than positions`,
      )
      continue
    }
    const gone = goneWithItsLog(chain)
    if (gone) obstacles.push(textOf(gone))
    for (const range of rangesOf(chain)) {
      if (gone && range.incarnation < gone.incarnation) continue
      const obstacle = obstacleTo(range, bound)
      if (obstacle) obstacles.push(obstacle)
      else if (!gone) ranges.push(range)
      const left = { ...range, from: larger(range.from, bound.low), until: smaller(range.until, bound.high) }
      if (left.until > left.from) readable.push(left)
    }
  }
  return { ranges, obstacles, readable }
}

/** The newest act after which the log that the table was filled from before is another one; null where none is. */
function goneWithItsLog({ rows }: PartitionChain): LedgerRow | null {
  const rebuilt = rows.findLastIndex(({ kind }) => kind === 'rebuild')
  const act = rows.slice(rebuilt + 1).findLast(({ cause }) => cause === 'truncated' || cause === 'recreated')
  const [start] = rows
  if (!act || !start || (start.kind === 'start' && start.untilOffset === act.fromOffset)) return null
  return act
}

function textOf(act: LedgerRow): string {
  const name = topicPartitionKey(act)
  return act.cause === 'recreated'
    ? `what ${name} held up to ${act.fromOffset} is gone: its topic was created again, which ${act.actor} has accepted`
    : `what ${name} held in [${act.untilOffset}, ${act.fromOffset}) is gone: the log was truncated, which ${act.actor} has accepted`
}

function rangesOf({ topic, partition, rows, position }: PartitionChain): ReplayRange[] {
  const [start, ...later] = rows
  // Without them the chain is broken already, and says so.
  if (!start || !position) return []
  let ranges: ReplayRange[] = []
  let { incarnation } = start
  let from = start.kind === 'batch' ? start.fromOffset : start.untilOffset
  const close = (until: bigint) => {
    if (until > from) ranges.push({ topic, partition, from, until, incarnation })
  }
  for (const row of later) {
    if (row.kind === 'batch') continue
    close(row.fromOffset)
    if (row.kind === 'rebuild') ranges = []
    from = row.untilOffset
    incarnation = row.incarnation
  }
  close(position.nextOffset)
  return ranges
}

function obstacleTo(range: OffsetRange, bound: Watermarks): string | null {
  if (bound.low > range.from) {
    const lost = formatRange({ ...range, until: smaller(bound.low, range.until) })
    return `retention has deleted ${lost} from the log, which begins at ${bound.low}`
  }
  if (bound.high < range.until) {
    return `the log of ${topicPartitionKey(range)} ends at ${bound.high}, before the committed ${range.until}: it was truncated`
  }
  return null
}

function larger(a: bigint, b: bigint): bigint {
  if (a > b) return a
  return b
}

function smaller(a: bigint, b: bigint): bigint {
  if (a < b) return a
  return b
}
