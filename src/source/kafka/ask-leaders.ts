import { asError } from '../../errors.ts'
import { type TopicPartition, topicPartitionKey } from '../../model/topic-partition.ts'
import type { Brokers } from './brokers.ts'
import type { ClusterView } from './cluster-view.ts'
import { topicRefused } from './cluster-view.ts'
import { groupBy } from './group-by.ts'
import type { WireRequest } from './kafkajs.ts'
import { errorCodeName, isRefusal } from './protocol/error-codes.ts'

export interface PartitionAnswer extends TopicPartition {
  readonly errorCode: number
}

/** Why a partition's leader gave no usable answer, for passing reasons. */
export class NoAnswer {
  readonly reason: string

  constructor(reason: string) {
    this.reason = reason
  }
}

/**
 * Sends each partition's question to its leader, as of the latest metadata.
 * @returns by `topicPartitionKey`: the answer, or why there is none for now
 * @throws OncesinkError SOURCE_REFUSED
 */
export async function askLeaders<Q extends TopicPartition, A extends PartitionAnswer>(
  brokers: Brokers,
  cluster: ClusterView,
  questions: readonly Q[],
  request: (questions: readonly Q[]) => WireRequest<A[]>,
): Promise<Map<string, A | NoAnswer>> {
  const answers = new Map<string, A | NoAnswer>()
  const byLeader = groupBy(questions, (q) => cluster.partition(q.topic, q.partition)?.leader ?? -1)
  const asked = [...byLeader].map(async ([leader, group]) => {
    for (const question of group) answers.set(topicPartitionKey(question), new NoAnswer('it has no leader'))
    if (leader < 0) return
    try {
      for (const answer of await brokers.sendTo(leader, request(group))) {
        if (isRefusal(answer.errorCode)) throw topicRefused(answer.topic, answer.errorCode)
        const usable = answer.errorCode === 0 ? answer : new NoAnswer(errorCodeName(answer.errorCode))
        answers.set(topicPartitionKey(answer), usable)
      }
    } catch (error) {
      const cause = asError(error)
      if (!isUnavailable(cause)) throw cause
      for (const question of group) answers.set(topicPartitionKey(question), new NoAnswer(cause.message))
    }
  })
  await Promise.all(asked)
  return answers
}

function isUnavailable(error: Error): boolean {
  return 'code' in error && error.code === 'SOURCE_UNAVAILABLE'
}
