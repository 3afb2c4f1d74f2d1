import { OncesinkError } from '../../errors.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Brokers } from './brokers.ts'
import { ErrorCode, errorCodeName, isRefusal } from './protocol/error-codes.ts'
import { metadataRequest, type PartitionMetadata, type TopicMetadata } from './protocol/metadata.ts'
import { namingOption, type Subscription, subscribes } from './subscription.ts'

/** One metadata answer, with what follows from it. Passing troubles (no leader yet) are in the partitions. */
export interface ClusterState {
  readonly clusterId: string
  /** The subscribed topics that exist. */
  readonly topics: ReadonlyMap<string, TopicMetadata>
  /** The topics subscribed by name that this broker does not know. */
  readonly missing: readonly string[]
}

/**
 * How long a topic that is being read may be absent from metadata answers before it counts as missing, in
 * milliseconds: brokers learn one after another, and one that has just started knows nothing for a while.
 */
export const missingPatienceMs = 10_000

/** What the brokers say about the subscribed topics, asked for by whoever needs it fresh. */
export class ClusterView {
  readonly #brokers: Brokers
  readonly #clock: Clock
  readonly #subscription: Subscription
  /** Topics that have been there. */
  readonly #seen = new Set<string>()
  #inFlight: Promise<ClusterState> | null = null
  #latest: ClusterState | null = null
  #latestAtMs = Number.NEGATIVE_INFINITY

  constructor(brokers: Brokers, clock: Clock, subscription: Subscription) {
    this.#brokers = brokers
    this.#clock = clock
    this.#subscription = subscription
  }

  /** Milliseconds since the last answer. */
  get ageMs(): number {
    return this.#clock.monotonicMs() - this.#latestAtMs
  }

  partition(topic: string, partition: number): PartitionMetadata | null {
    return this.#latest?.topics.get(topic)?.partitions.find((p) => p.partition === partition) ?? null
  }

  topicId(topic: string): string | null {
    return this.#latest?.topics.get(topic)?.topicId ?? null
  }

  /**
   * Asks now; callers that come while a question is under way share its answer.
   * @throws OncesinkError SOURCE_UNAVAILABLE, SOURCE_REFUSED
   */
  refresh(): Promise<ClusterState> {
    this.#inFlight ??= this.#ask().finally(() => {
      this.#inFlight = null
    })
    return this.#inFlight
  }

  /**
   * Why topics that no broker knows cannot be read, all in one error: those of which there are positions, or that have
   * been there, are gone; others never were there.
   * @param withPositions those of `topics` of which there are positions
   */
  absent(topics: readonly string[], withPositions: readonly string[] = []): OncesinkError {
    const gone = topics.filter((topic) => this.#seen.has(topic) || withPositions.includes(topic))
    const unknown = topics.filter((topic) => !gone.includes(topic))
    const option = namingOption(this.#subscription)
    const reasons = [
      ...(gone.length > 0 ? [vanishedText(gone, option)] : []),
      ...(unknown.length > 0 ? [missingText(unknown)] : []),
    ]
    return new OncesinkError('TOPIC_MISSING', reasons.join('. '))
  }

  /** The error of a topic of which there are positions, and that no broker knows any more. */
  vanished(topic: string): OncesinkError {
    return this.absent([topic], [topic])
  }

  async #ask(): Promise<ClusterState> {
    const { topics: names, topicPattern } = this.#subscription
    const metadata = await this.#brokers.sendToAny(metadataRequest(topicPattern === null ? names : null))
    const topics = new Map<string, TopicMetadata>()
    const missing: string[] = []
    const refused: TopicMetadata[] = []
    for (const topic of metadata.topics) {
      if (!subscribes(this.#subscription, topic)) continue
      if (isRefusal(topic.errorCode)) refused.push(topic)
      else if (isMissing(topic.errorCode)) missing.push(topic.topic)
      else topics.set(topic.topic, topic)
    }
    const [first] = refused
    if (first !== undefined) {
      throw topicsRefused(
        refused.map(({ topic }) => topic),
        first.errorCode,
      )
    }
    for (const topic of topics.keys()) this.#seen.add(topic)
    this.#brokers.update(metadata.brokers)
    this.#latest = { clusterId: metadata.clusterId ?? '', topics, missing }
    this.#latestAtMs = this.#clock.monotonicMs()
    return this.#latest
  }
}

export function topicRefused(topic: string, errorCode: number): OncesinkError {
  return topicsRefused([topic], errorCode)
}

function topicsRefused(topics: readonly string[], errorCode: number): OncesinkError {
  return new OncesinkError(
    'SOURCE_REFUSED',
    `the Kafka brokers refuse access to ${named(topics)} (${errorCodeName(errorCode)}); grant this client's user the ` +
      `right to read ${topics.length === 1 ? 'it' : 'them'}: kafka-acls.sh --bootstrap-server <broker> --add ` +
      '--allow-principal User:<name> --operation Read --operation Describe ' +
      topics.map((topic) => `--topic ${topic}`).join(' '),
  )
}

function vanishedText(topics: readonly string[], option: string): string {
  const isOne = topics.length === 1
  const [has, was, its, it] = isOne ? ['has', 'it was', 'its', 'it'] : ['have', 'they were', 'their', 'them']
  return (
    `${named(topics)} ${has} vanished from the cluster: ${was} read, and ${isOne ? 'does' : 'do'} not exist any more. ` +
    `The stored positions of ${its} partitions stay. Restore the ${isOne ? 'topic' : 'topics'}, or exclude ${it} by ` +
    `${option} if ${was} deleted on purpose`
  )
}

function missingText(topics: readonly string[]): string {
  return topics.length === 1
    ? `${named(topics)} does not exist in the cluster; create it, or correct the topics option`
    : `${named(topics)} do not exist in the cluster; create them, or correct the topics option`
}

/** `topic "a"`, or `topics "a", "b"`. */
function named(topics: readonly string[]): string {
  return `${topics.length === 1 ? 'topic' : 'topics'} ${topics.map((topic) => `"${topic}"`).join(', ')}`
}

function isMissing(errorCode: number): boolean {
  return (
    errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION ||
    errorCode === ErrorCode.INVALID_TOPIC_EXCEPTION ||
    errorCode === ErrorCode.UNKNOWN_TOPIC_ID
  )
}
