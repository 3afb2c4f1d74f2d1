import type { TopicMetadata } from './protocol/metadata.ts'

/** Which topics a source reads, by name or by a pattern, and which partitions of them. Resolved and frozen. */
export interface Subscription {
  /** Exact names; empty where a pattern decides. */
  readonly topics: readonly string[]
  /** Null where names decide. */
  readonly topicPattern: RegExp | null
  /** The partitions that are read, ascending, by topic; a topic that is not named is read whole. */
  readonly partitions: Readonly<Record<string, readonly number[]>>
}

/** Whether a topic of this name is read once it exists. Kafka's own topics are the caller's business. */
export function covers({ topics, topicPattern }: Subscription, topic: string): boolean {
  return topicPattern === null ? topics.includes(topic) : topicPattern.test(topic)
}

/** Whether a topic that a broker has described is read. Kafka's internal topics only by their names. */
export function subscribes(subscription: Subscription, { topic, isInternal }: TopicMetadata): boolean {
  return covers(subscription, topic) && !(subscription.topicPattern !== null && isInternal)
}

/** The partitions of a topic that are read, where not all of them are. */
export function selectedPartitions(
  { partitions }: Subscription,
  topic: string,
): readonly number[] | undefined {
  return Object.hasOwn(partitions, topic) ? partitions[topic] : undefined
}

/** How the option that names the topics is called. */
export function namingOption({ topicPattern }: Subscription): 'topics' | 'topicPattern' {
  return topicPattern === null ? 'topics' : 'topicPattern'
}
