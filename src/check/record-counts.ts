import type { LedgerRow } from '../database/dialect.ts'
import { formatRange, type OffsetRange } from '../model/offset-range.ts'
import { topicPartitionKey } from '../model/topic-partition.ts'
import type { FetchedRange } from '../source/source.ts'
import { rangeOf } from './chain.ts'
import { BoundedList, type Violation } from './violation.ts'

interface CountedBatches {
  /** Batch rows of one partition, rising and without overlap. */
  readonly rows: readonly LedgerRow[]
  readonly counts: Float64Array
}

export interface RecordCountReport {
  /** Batches that committed fewer records than their range has in the log. */
  readonly violations: BoundedList<Violation>
  /**
   * Batches that committed more records than their range still has: the log was compacted since, or records were
   * counted twice. The log alone cannot tell which.
   */
  readonly shrunk: BoundedList<string>
  readonly batches: number
}

/**
 * Control totals: counts the log's records batch by batch, and compares with what each batch says it committed.
 * Only batches that lie inside the replayed ranges are counted; partitions whose chain is broken are left out, the
 * chain's own violations say what is wrong with them.
 */
export class RecordCounts {
  readonly #partitions = new Map<string, CountedBatches>()

  constructor(ledger: readonly LedgerRow[], replayed: readonly OffsetRange[]) {
    const byPartition = new Map<string, LedgerRow[]>()
    for (const row of ledger) {
      if (row.kind !== 'batch' || !replayed.some((range) => contains(range, row))) continue
      const rows = byPartition.get(topicPartitionKey(row)) ?? []
      byPartition.set(topicPartitionKey(row), rows)
      rows.push(row)
    }
    for (const [key, rows] of byPartition) {
      rows.sort((a, b) => (a.fromOffset < b.fromOffset ? -1 : 1))
      const rising = rows.every((row, i) => i === 0 || row.fromOffset >= (rows[i - 1]?.untilOffset ?? 0n))
      if (rising) this.#partitions.set(key, { rows, counts: new Float64Array(rows.length) })
    }
  }

  add(fetched: FetchedRange): void {
    const batches = this.#partitions.get(topicPartitionKey(fetched.range))
    if (!batches) return
    const { rows, counts } = batches
    for (const { segment, begin, end } of fetched.slices) {
      if (begin === end) continue
      const offsetAt = (i: number) => segment.baseOffset + (segment.offsetDeltas[i] ?? 0)
      let batch = firstEndingAfter(rows, offsetAt(begin))
      let from = Number(rows[batch]?.fromOffset ?? Number.POSITIVE_INFINITY)
      let until = Number(rows[batch]?.untilOffset ?? Number.POSITIVE_INFINITY)
      for (let i = begin; i < end; i++) {
        const offset = offsetAt(i)
        while (offset >= until) {
          batch += 1
          from = Number(rows[batch]?.fromOffset ?? Number.POSITIVE_INFINITY)
          until = Number(rows[batch]?.untilOffset ?? Number.POSITIVE_INFINITY)
        }
        if (offset >= from) counts[batch] = (counts[batch] ?? 0) + 1
      }
    }
  }

  finish(): RecordCountReport {
    const violations = new BoundedList<Violation>()
    const shrunk = new BoundedList<string>()
    let batches = 0
    for (const { rows, counts } of this.#partitions.values()) {
      for (const [i, row] of rows.entries()) {
        batches += 1
        const inLog = counts[i] ?? 0
        if (inLog === row.records) continue
        const message = `batch ${row.batchId ?? '(unnamed)'} committed ${row.records} records of ${formatRange(rangeOf(row))}, and the log has ${inLog} there`
        if (inLog < row.records) shrunk.add(message)
        else violations.add(violationOf(row, message))
      }
    }
    return { violations, shrunk, batches }
  }
}

function violationOf(row: LedgerRow, message: string): Violation {
  return {
    class: 'record-count',
    message,
    partition: { topic: row.topic, partition: row.partition },
    range: rangeOf(row),
    epoch: row.epoch,
    ...(row.batchId !== null && { batchId: row.batchId }),
  }
}

function contains(range: OffsetRange, row: LedgerRow): boolean {
  return (
    range.topic === row.topic &&
    range.partition === row.partition &&
    range.from <= row.fromOffset &&
    row.untilOffset <= range.until
  )
}

/** Index of the first batch that ends after `offset`. */
function firstEndingAfter(rows: readonly LedgerRow[], offset: number): number {
  let [low, high] = [0, rows.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (Number(rows[middle]?.untilOffset) > offset) high = middle
    else low = middle + 1
  }
  return low
}
