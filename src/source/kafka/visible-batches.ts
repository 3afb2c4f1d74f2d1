import type { AbortedTransaction } from './protocol/fetch.ts'
import { isAbortMarker, isControl, isTransactional, producerIdOf, type RecordBatch } from './record-batch.ts'

/**
 * Which record batches of one fetch response a reader at `read_committed` may see.
 *
 * Everything is decided within the response: the broker lists an aborted transaction again in every response that
 * overlaps it, and state kept from one response to another would swallow committed records after a seek. Before a
 * batch is judged, every aborted transaction that begins at or before its last offset is open, so that an abort
 * marker ends the transaction that it belongs to even where both begin and end were in the same stretch.
 */
export function committedBatches(
  batches: readonly RecordBatch[],
  aborted: readonly AbortedTransaction[],
): RecordBatch[] {
  if (aborted.length === 0) return dataBatches(batches)
  // The broker's list is ordered by the end of the transactions.
  const waiting = [...aborted].sort((a, b) => Number(a.firstOffset - b.firstOffset))
  const open = new Set<bigint>()
  const visible: RecordBatch[] = []
  let next = 0
  for (const batch of batches) {
    for (; next < waiting.length; next++) {
      const transaction = waiting[next]
      if (transaction === undefined || transaction.firstOffset >= batch.nextOffset) break
      open.add(transaction.producerId)
    }
    if (isControl(batch)) {
      if (isAbortMarker(batch)) open.delete(producerIdOf(batch))
    } else if (!isTransactional(batch) || !open.has(producerIdOf(batch))) {
      visible.push(batch)
    }
  }
  return visible
}

/** Without the control batches, which are no records to anybody. */
export function dataBatches(batches: readonly RecordBatch[]): RecordBatch[] {
  return batches.filter((batch) => !isControl(batch))
}
