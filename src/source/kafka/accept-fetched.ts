import { asError, OncesinkError } from '../../errors.ts'
import { topicRefused } from './cluster-view.ts'
import { corrupt } from './corrupt-batch.ts'
import { ErrorCode, errorCodeName, isRefusal } from './protocol/error-codes.ts'
import type { FetchedPartition } from './protocol/fetch.ts'
import type { ReadPartition } from './read-partition.ts'
import { scanRecordBatches } from './record-batch.ts'
import { committedBatches, dataBatches } from './visible-batches.ts'

/**
 * What became of a partition's part of a response:
 * - `accepted`: it was buffered. `largestBatchBytes` is 0 where there was no record batch; then the partition is
 *   `atEnd`, unless its next batch did not fit into the response;
 * - `troubled`: passing, or to be looked into by comparing the position with the log;
 * - `failed`: the partition cannot be read on.
 */
export type Accepted =
  | { readonly kind: 'accepted'; readonly largestBatchBytes: number; readonly atEnd: boolean }
  | { readonly kind: 'troubled'; readonly error: Error }
  | { readonly kind: 'failed'; readonly error: OncesinkError }

/** A part is copied out of a response that is this many times larger, which it would otherwise keep in memory. */
const worthCopying = 4

/** Buffers what a fetch at the end of the partition's buffer has brought. */
export function acceptFetched(
  partition: ReadPartition,
  fetched: FetchedPartition,
  isolation: 'read_committed' | 'read_uncommitted',
  responseBytes: number,
): Accepted {
  const { errorCode } = fetched
  if (isRefusal(errorCode)) return { kind: 'failed', error: topicRefused(partition.topic, errorCode) }
  const { buffer } = partition
  if (errorCode === ErrorCode.CORRUPT_MESSAGE) {
    return {
      kind: 'failed',
      error: corrupt(partition, buffer.fetchedUntil, 'the broker itself finds it damaged'),
    }
  }
  if (errorCode !== ErrorCode.NONE) {
    const where = `${partition.topic}/${partition.partition} at offset ${buffer.fetchedUntil}`
    return { kind: 'troubled', error: new Error(`fetching ${where}: ${errorCodeName(errorCode)}`) }
  }
  const { recordBatches } = fetched
  const bytes =
    recordBatches.length * worthCopying < responseBytes ? Buffer.from(recordBatches) : recordBatches
  let largestBatchBytes: number
  try {
    const batches = scanRecordBatches(bytes, partition)
    largestBatchBytes = batches.reduce((largest, { size }) => Math.max(largest, size), 0)
    const before = buffer.fetchedUntil
    const visible =
      isolation === 'read_committed' ? committedBatches(batches, fetched.aborted) : dataBatches(batches)
    buffer.append(batches, visible)
    if (batches.length > 0 && buffer.fetchedUntil === before) {
      throw corrupt(partition, batches[0]?.baseOffset ?? before, `all of the answer lies before ${before}`)
    }
  } catch (error) {
    return { kind: 'failed', error: error instanceof OncesinkError ? error : unexpected(error) }
  }
  partition.endOffset = isolation === 'read_committed' ? fetched.lastStableOffset : fetched.highWatermark
  const atEnd = bytes.length === 0 && buffer.fetchedUntil >= partition.endOffset
  return { kind: 'accepted', largestBatchBytes, atEnd }
}

function unexpected(error: unknown): OncesinkError {
  return new OncesinkError(
    'INVARIANT_VIOLATED',
    `a fetch response was not understood: ${asError(error).message}`,
    {
      cause: error,
    },
  )
}
