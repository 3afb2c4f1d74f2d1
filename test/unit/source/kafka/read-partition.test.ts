import { describe, expect, test } from 'vitest'
import { OncesinkError } from '../../../../src/errors.ts'
import { ReadPartition } from '../../../../src/source/kafka/read-partition.ts'
import { scanRecordBatches } from '../../../../src/source/kafka/record-batch.ts'
import { recordsAt } from '../../../support/fake-leader.ts'

function partitionWithRecords(): ReadPartition {
  const partition = new ReadPartition({ topic: 't', partition: 0 }, 'id', 0, -1, 1)
  const batches = scanRecordBatches(recordsAt(0, 3).recordBatches, partition)
  partition.buffer.append(batches, batches)
  return partition
}

function drain({ buffer }: ReadPartition): void {
  while (buffer.decodeNext(10, Number.MAX_SAFE_INTEGER));
  buffer.take(10, Number.MAX_SAFE_INTEGER, true)
}

describe('ReadPartition', () => {
  test('records fetched before retention passed the next fetch are handed out before the error', () => {
    const partition = partitionWithRecords()
    const error = new OncesinkError('OFFSET_OUT_OF_RANGE', 'gone')
    partition.fail(error)
    expect(partition.stopError).toBeNull()
    drain(partition)
    expect(partition.stopError).toBe(error)
  })

  test('any other error stops at once, and the first one counts', () => {
    const partition = partitionWithRecords()
    const error = new OncesinkError('TOPIC_RECREATED', 'another')
    partition.fail(error)
    partition.fail(new OncesinkError('TOPIC_MISSING', 'later'))
    expect(partition.stopError).toBe(error)
  })

  test('the log never seems to end before the position', () => {
    const partition = partitionWithRecords()
    drain(partition)
    expect(partition.progress()).toMatchObject({
      position: 3n,
      endOffset: 3n,
      bufferedRecords: 0,
      bufferedBytes: 0,
    })
    partition.endOffset = 9n
    expect(partition.progress().endOffset).toBe(9n)
  })
})
