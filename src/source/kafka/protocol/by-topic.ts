import type { TopicPartition } from '../../../model/topic-partition.ts'
import { groupBy } from '../group-by.ts'
import type { WireWriter } from './wire.ts'

/** Writes partitions as the protocol wants them: an array of topics, each with an array of its partitions. */
export function writeByTopic<T extends TopicPartition>(
  body: WireWriter,
  items: readonly T[],
  write: (item: T) => void,
): void {
  body.array([...groupBy(items, (item) => item.topic)], ([topic, partitions]) => {
    body.string(topic).array(partitions, write)
  })
}
