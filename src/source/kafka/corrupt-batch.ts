import { OncesinkError } from '../../errors.ts'
import type { TopicPartition } from '../../model/topic-partition.ts'

/** The error of a record batch whose bytes are not what a producer has written; `what` says in which way. */
export function corrupt(
  where: TopicPartition,
  baseOffset: number,
  what: string,
  cause?: unknown,
): OncesinkError {
  const { topic, partition } = where
  const record = Number.isSafeInteger(baseOffset)
    ? { record: { topic, partition, offset: BigInt(baseOffset) } }
    : {}
  return new OncesinkError(
    'RECORD_BATCH_CORRUPT',
    `the record batch at offset ${baseOffset} of ${topic}/${partition} cannot be read: ${what}; check the broker's ` +
      'log and disk, and the network to it',
    { cause, partition: { topic, partition }, ...record },
  )
}
