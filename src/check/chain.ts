import type { LedgerRow, PositionRow } from '../database/dialect.ts'
import { formatRange, type OffsetRange } from '../model/offset-range.ts'
import { compareTopicPartitions, type TopicPartition, topicPartitionKey } from '../model/topic-partition.ts'
import { BoundedList, type Violation, type ViolationClass } from './violation.ts'

/*
 * The ledger is a chain: per partition every row begins where the previous one ended, and the last one ends at the
 * position. By induction over its rows every offset from the start to the position was committed exactly once.
 * Offsets are not dense, so a range is never equated with a number of records.
 *
 * An operator's act is a link as well: it begins where the chain ended, and says where and why it goes on. Only there
 * may offsets be left out, or come again.
 *
 * Retention deletes the oldest batches of a partition, and never a start or an operator's act. What is missing right
 * after a start may therefore have been deleted, but only if it can be old enough and `seq` knows of it.
 */

export interface ChainReport {
  readonly violations: BoundedList<Violation>
  readonly partitions: readonly PartitionChain[]
  /** Batch rows over all partitions. */
  readonly batches: number
  /** Records of all batch rows. */
  readonly records: number
  /** What somebody has accepted to be lost, in chain order. */
  readonly acceptedLosses: readonly LedgerRow[]
}

/** One partition's chain, rows in chain order. */
export interface PartitionChain extends TopicPartition {
  readonly rows: readonly LedgerRow[]
  readonly position: PositionRow | null
  /** First offset of the oldest batch, where retention has deleted batches before it; else null. */
  readonly prunedBefore: bigint | null
}

type Report = (
  violation: ViolationClass,
  message: string,
  where: { row?: LedgerRow; partition?: TopicPartition },
) => void

/**
 * Checks every chain. Pure; the rows may come in any order.
 * @param retainedSinceMs batches committed at or after this time (milliseconds since 1970) must all be there; by
 *   default all of them
 */
export function checkChain(
  ledger: readonly LedgerRow[],
  positions: readonly PositionRow[],
  retainedSinceMs = Number.NEGATIVE_INFINITY,
): ChainReport {
  const violations = new BoundedList<Violation>()
  const report: Report = (violation, message, { row, partition = row }) => {
    violations.add({
      class: violation,
      message,
      ...(partition && { partition: { topic: partition.topic, partition: partition.partition } }),
      ...(row && { range: rangeOf(row), epoch: row.epoch }),
      ...(row?.batchId && { batchId: row.batchId }),
    })
  }

  const partitions = chainsOf(ledger, positions, retainedSinceMs)
  for (const chain of partitions) {
    checkLinks(chain, report)
    checkClaims(chain.rows, report)
    checkPosition(chain, report)
  }
  const batches = ledger.filter((row) => row.kind === 'batch')
  return {
    violations,
    partitions,
    batches: batches.length,
    records: batches.reduce((sum, row) => sum + row.records, 0),
    acceptedLosses: partitions.flatMap(({ rows }) => rows.filter(({ kind }) => kind === 'accept_loss')),
  }
}

/** The report where positions cannot even be read: `message` says what contradicts itself. */
export function unreadableChain(ledger: readonly LedgerRow[], message: string): ChainReport {
  const violations = new BoundedList<Violation>()
  violations.add({ class: 'start-misplaced', message })
  return { ...checkChain(ledger, []), violations }
}

function chainsOf(
  ledger: readonly LedgerRow[],
  positions: readonly PositionRow[],
  retainedSinceMs: number,
): PartitionChain[] {
  const byPartition = new Map<
    string,
    { rows: LedgerRow[]; position: PositionRow | null; at: TopicPartition }
  >()
  const entry = (at: TopicPartition) => {
    const key = topicPartitionKey(at)
    const known = byPartition.get(key) ?? { rows: [], position: null, at }
    byPartition.set(key, known)
    return known
  }
  for (const position of positions) entry(position).position = position
  for (const row of ledger) entry(row).rows.push(row)
  return [...byPartition.values()]
    .map(({ rows, position, at }) => {
      rows.sort(compareRows)
      const prunedBefore = prunedBeforeOf(rows, position, retainedSinceMs)
      return { topic: at.topic, partition: at.partition, rows, position, prunedBefore }
    })
    .sort(compareTopicPartitions)
}

function prunedBeforeOf(
  rows: readonly LedgerRow[],
  position: PositionRow | null,
  retainedSinceMs: number,
): bigint | null {
  const oldestBatch = rows.find((row) => row.kind === 'batch')
  const [start] = rows
  if (!oldestBatch || !start || start.committedAt.getTime() >= retainedSinceMs) return null
  // Where each row up to the oldest batch begins as it should, nothing was deleted before it.
  const oldest = rows.slice(0, rows.indexOf(oldestBatch) + 1)
  if (oldest.every((row, i) => i === 0 || row.fromOffset === oldest[i - 1]?.untilOffset)) return null
  const batches = rows.filter((row) => row.kind === 'batch').length
  return position && position.seq > BigInt(batches) ? oldestBatch.fromOffset : null
}

/** Chain order: an incarnation begins with its start row, which may share its offset with the first batch. */
function compareRows(a: LedgerRow, b: LedgerRow): number {
  if (a.incarnation !== b.incarnation) return a.incarnation - b.incarnation
  const startLike = Number(a.kind === 'batch') - Number(b.kind === 'batch')
  if (startLike !== 0) return startLike
  return (
    compareBigints(a.fromOffset, b.fromOffset) ||
    compareBigints(a.untilOffset, b.untilOffset) ||
    compareBigints(a.epoch, b.epoch)
  )
}

function compareBigints(a: bigint, b: bigint): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

function checkLinks(chain: PartitionChain, report: Report): void {
  let previous: LedgerRow | undefined
  let seenBatch = false
  for (const row of chain.rows) {
    checkRow(row, previous, report)
    const mayBePruned = chain.prunedBefore !== null && !seenBatch
    if (previous && !(mayBePruned && row.fromOffset > previous.untilOffset)) checkLink(previous, row, report)
    seenBatch ||= row.kind === 'batch'
    previous = row
  }
}

function checkRow(row: LedgerRow, previous: LedgerRow | undefined, report: Report): void {
  const opensIncarnation = row.incarnation !== previous?.incarnation
  if (row.kind !== 'batch') {
    const belongs = opensIncarnation && (row.kind === 'start') === (previous === undefined)
    if (!belongs) report('start-misplaced', `${describe(row)} does not belong there in the chain`, { row })
    else if (previous && row.kind !== 'start') checkAct(row, previous, report)
    return
  }
  if (opensIncarnation) {
    const message = `incarnation ${row.incarnation} begins with ${describe(row)}, without a start or an operator's act`
    report('start-misplaced', message, { row })
  }
  if (row.untilOffset <= row.fromOffset) {
    report('empty-batch', `${describe(row)} does not move its partition forward`, { row })
  } else if (row.records < 0 || BigInt(row.records) > row.untilOffset - row.fromOffset) {
    report('impossible-record-count', `${describe(row)} claims ${row.records} records`, { row })
  }
}

function checkAct(act: LedgerRow, previous: LedgerRow, report: Report): void {
  const unaccounted = (what: string) => report('act-unaccounted', `${describe(act)} ${what}`, { row: act })
  if (act.incarnation !== previous.incarnation + 1) {
    unaccounted(`opens incarnation ${act.incarnation} after ${previous.incarnation}`)
  }
  if (act.epoch <= previous.epoch || act.claimId === null) unaccounted('has not fenced the owners before it')
  if (act.records !== 0) unaccounted(`claims ${act.records} records`)
  if (act.kind !== 'accept_loss') return
  if (!act.actor || !act.reason || !act.cause || !act.topicId) {
    unaccounted('does not say who has accepted what, and why')
  }
  const isForward = act.untilOffset > act.fromOffset
  if (act.cause === 'retention' && !isForward) unaccounted('skips nothing, and its cause is retention')
  if (act.cause === 'truncated' && isForward) unaccounted('skips offsets, and its cause is a truncated log')
}

function checkLink(previous: LedgerRow, row: LedgerRow, report: Report): void {
  if (row.fromOffset === previous.untilOffset) return
  if (row.fromOffset > previous.untilOffset) {
    const lost = formatRange({ ...rangeOf(row), from: previous.untilOffset, until: row.fromOffset })
    report('gap', `${lost} was never committed: ${describe(previous)} is followed by ${describe(row)}`, {
      row,
    })
  } else if (row.fromOffset === previous.fromOffset && row.untilOffset === previous.untilOffset) {
    report('duplicate', `${describe(row)} repeats ${describe(previous)}`, { row })
  } else {
    report('overlap', `${describe(row)} begins inside ${describe(previous)}`, { row })
  }
}

function checkClaims(rows: readonly LedgerRow[], report: Report): void {
  const claimOfEpoch = new Map<bigint, string>()
  const epochOfClaim = new Map<string, bigint>()
  let previous: LedgerRow | undefined
  for (const row of rows) {
    if (previous && row.epoch < previous.epoch) {
      report('epoch-fell', `${describe(row)} follows ${describe(previous)}: a fenced owner committed`, {
        row,
      })
    }
    previous = row
    if (row.claimId === null) continue
    const claim = claimOfEpoch.get(row.epoch)
    const epoch = epochOfClaim.get(row.claimId)
    if (claim !== undefined && claim !== row.claimId) {
      const message = `${describe(row)} was committed by claim ${row.claimId}, others of its epoch by ${claim}`
      report('claims-interleaved', message, { row })
    } else if (epoch !== undefined && epoch !== row.epoch) {
      const message = `claim ${row.claimId} committed in epoch ${epoch} and again in ${describe(row)}`
      report('claims-interleaved', message, { row })
    }
    if (claim === undefined) claimOfEpoch.set(row.epoch, row.claimId)
    if (epoch === undefined) epochOfClaim.set(row.claimId, row.epoch)
  }
}

function checkPosition(chain: PartitionChain, report: Report): void {
  const { position, rows } = chain
  const last = rows.at(-1)
  const name = topicPartitionKey(chain)
  if (!position) {
    const message = `the ledger knows ${name}, and there is no position for it`
    report('ledger-without-position', message, { partition: chain })
    return
  }
  if (!last) {
    const message = `${name} has the position ${position.nextOffset}, and the ledger has no row of it`
    report('position-without-ledger', message, { partition: chain })
    return
  }
  if (position.nextOffset > last.untilOffset) {
    const message = `the position of ${name} is ${position.nextOffset}, past the ledger: ${describe(last)} is its last row`
    report('position-past-ledger', message, { row: last })
  } else if (position.nextOffset < last.untilOffset) {
    const message = `the position of ${name} is ${position.nextOffset}, behind the ledger: ${describe(last)} is its last row`
    report('position-behind-ledger', message, { row: last })
  }
  if (position.incarnation !== last.incarnation) {
    const message = `the position of ${name} is of incarnation ${position.incarnation}, its last ledger row ${describe(last)} of ${last.incarnation}`
    report('start-misplaced', message, { row: last })
  }
  checkPositionClaim(position, last, report)
  checkBatchCount(chain, position, report)
}

function checkPositionClaim(position: PositionRow, last: LedgerRow, report: Report): void {
  if (position.epoch < last.epoch) {
    const message = `the position has epoch ${position.epoch}, and ${describe(last)} was committed after it`
    report('epoch-fell', message, { row: last })
  } else if (position.epoch === last.epoch && last.claimId !== null && position.claimId !== last.claimId) {
    const message = `${describe(last)} was committed by claim ${last.claimId}, and epoch ${last.epoch} belongs to ${position.claimId}`
    report('claims-interleaved', message, { row: last })
  }
}

/** `seq` counts commits since the start: two batches hidden as one row, or a row too many, contradict it. */
function checkBatchCount(chain: PartitionChain, position: PositionRow, report: Report): void {
  const batches = chain.rows.filter((row) => row.kind === 'batch').length
  // A reset or a rebuild has begun another count; accepting a loss goes on with it.
  const counts = chain.rows.every(
    ({ kind }) => kind === 'start' || kind === 'batch' || kind === 'accept_loss',
  )
  if (chain.prunedBefore !== null || !counts) return
  if (BigInt(batches) === position.seq) return
  const message = `${topicPartitionKey(chain)} counts ${position.seq} commits, and the ledger has ${batches} batches`
  report('batch-count', message, { partition: chain })
}

/** One partition's chain under one incarnation: only there offsets never come again. */
export function chainKey(at: TopicPartition & { readonly incarnation: number }): string {
  return `${topicPartitionKey(at)}#${at.incarnation}`
}

export function rangeOf(row: LedgerRow): OffsetRange {
  return { topic: row.topic, partition: row.partition, from: row.fromOffset, until: row.untilOffset }
}

function describe(row: LedgerRow): string {
  const batch = row.batchId === null ? '' : `, batch ${row.batchId}`
  return `${row.kind} ${formatRange(rangeOf(row))} (epoch ${row.epoch}${batch})`
}
