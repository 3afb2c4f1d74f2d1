import type { SourceDescription } from '../../source.ts'
import type { WantedTopic } from './member-data.ts'

/**
 * What this member reads, as far as it has seen topics and partitions. It only grows: Kafka takes no partition from a
 * topic, a broker that has not heard of one yet must not make it go away, and a topic that is really gone ends the job by
 * way of the source.
 */
export class Wants {
  readonly #topics = new Map<string, number | readonly number[]>()

  see({ topics }: SourceDescription): void {
    for (const { topic, partitions, selected } of topics) {
      const seen = this.#topics.get(topic)
      if (selected !== undefined) this.#topics.set(topic, selected)
      else this.#topics.set(topic, typeof seen === 'number' ? Math.max(seen, partitions) : partitions)
    }
  }

  /** Sorted by topic. */
  list(): readonly WantedTopic[] {
    return [...this.#topics]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([topic, partitions]) => ({ topic, partitions }))
  }
}
