/** One partition of one topic: the unit of ordering, ownership and positions. */
export interface TopicPartition {
  readonly topic: string
  /** Partition number, from 0. */
  readonly partition: number
}

/** A string that names the partition uniquely, for use as a Map key and in messages: `topic/partition`. */
export function topicPartitionKey(tp: TopicPartition): string {
  return `${tp.topic}/${tp.partition}`
}

/**
 * The one order in which partitions are locked, collected and merged: by topic (UTF-16 code units), then by
 * partition number.
 */
export function compareTopicPartitions(a: TopicPartition, b: TopicPartition): number {
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1
  return a.partition - b.partition
}

/** A sorted copy, in the order of {@link compareTopicPartitions}. */
export function sortedByPartition<T extends TopicPartition>(items: Iterable<T>): T[] {
  return [...items].sort(compareTopicPartitions)
}
