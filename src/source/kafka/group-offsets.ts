import { OncesinkError } from '../../errors.ts'
import { sortedByPartition, type TopicPartition, topicPartitionKey } from '../../model/topic-partition.ts'
import type { GroupMember, GroupOffset, GroupUse } from '../source.ts'
import type { Brokers } from './brokers.ts'
import { foreignGroupError, groupAccessError, protocolStem } from './group-access.ts'
import type { WireRequest } from './kafkajs.ts'
import { type DescribedGroup, describeGroupRequest } from './protocol/describe-groups.ts'
import { ErrorCode, errorCodeName } from './protocol/error-codes.ts'
import { findCoordinatorRequest } from './protocol/find-coordinator.ts'
import { heartbeatRequest } from './protocol/heartbeat.ts'
import { offsetCommitRequest } from './protocol/offset-commit.ts'
import { offsetFetchRequest } from './protocol/offset-fetch.ts'

/** How long the answer to a heartbeat that only asks for a right may take, in milliseconds. */
const CHECK_TIMEOUT_MS = 5_000

/** Codes that say that the group has consumers: only its members may commit to it. */
const inUse = new Set<number>([
  ErrorCode.ILLEGAL_GENERATION,
  ErrorCode.UNKNOWN_MEMBER_ID,
  ErrorCode.REBALANCE_IN_PROGRESS,
])

/**
 * Offsets and members of consumer groups, without joining them. Which broker keeps a group is asked once, and
 * again after it has said that it no longer does, or has not answered.
 */
export class GroupOffsets {
  readonly #brokers: Brokers
  readonly #coordinators = new Map<string, number>()

  constructor(brokers: Brokers) {
    this.#brokers = brokers
  }

  /** @throws OncesinkError SOURCE_UNAVAILABLE, SOURCE_REFUSED */
  async commit(group: string, offsets: readonly GroupOffset[]): Promise<void> {
    const answers = await this.#ask(group, offsetCommitRequest(group, offsets), (committed) =>
      committed.find(({ errorCode }) => errorCode !== ErrorCode.NONE),
    )
    if (answers.length !== offsets.length) {
      throw unavailable(group, `it has answered for ${answers.length} of ${offsets.length} partitions`)
    }
  }

  /** @throws OncesinkError SOURCE_UNAVAILABLE, SOURCE_REFUSED */
  async fetch(group: string, partitions: readonly TopicPartition[]): Promise<(bigint | null)[]> {
    if (partitions.length === 0) return []
    const { offsets } = await this.#ask(group, offsetFetchRequest(group, partitions), (fetched) =>
      [fetched, ...fetched.offsets].find(({ errorCode }) => errorCode !== ErrorCode.NONE),
    )
    const known = new Map(offsets.map((one) => [topicPartitionKey(one), one.offset]))
    return partitions.map((tp) => {
      const offset = known.get(topicPartitionKey(tp)) ?? -1n
      return offset < 0n ? null : offset
    })
  }

  /** @throws OncesinkError SOURCE_UNAVAILABLE, SOURCE_REFUSED */
  async members(group: string): Promise<GroupMember[]> {
    const { members } = await this.#describe(group)
    return members
      .map(({ memberId, instanceId, host, partitions }) => ({
        member: instanceId ?? memberId,
        host: host.replace(/^\//, ''),
        partitions: sortedByPartition(partitions),
      }))
      .sort((a, b) => (a.member < b.member ? -1 : 1))
  }

  /**
   * Whether a process of the job could join the group now, or this client commit to it: a heartbeat wants the same
   * right, and that of a member whom nobody knows changes nothing.
   * @throws OncesinkError SOURCE_UNAVAILABLE, SOURCE_REFUSED
   */
  async check(group: string, job: string, use: GroupUse): Promise<void> {
    const nobody = { group, generation: 0, memberId: 'nobody', instanceId: null }
    const errorOf = use === 'join' ? groupAccessError : groupError
    await this.#ask(
      group,
      heartbeatRequest(nobody, CHECK_TIMEOUT_MS),
      (errorCode) => (inUse.has(errorCode) || errorCode === ErrorCode.NONE ? undefined : { errorCode }),
      errorOf,
    )
    const { members, protocol } = await this.#describe(group)
    if (members.length === 0) return
    if (use === 'mirror') throw groupError(group, ErrorCode.UNKNOWN_MEMBER_ID)
    // While members come and go the group speaks nothing.
    if (protocol !== '' && !protocol.startsWith(protocolStem(job))) throw foreignGroupError(group, job)
  }

  #describe(group: string): Promise<DescribedGroup> {
    return this.#ask(group, describeGroupRequest(group), (described) =>
      described.errorCode === ErrorCode.NONE ? undefined : described,
    )
  }

  /** Asks the coordinator; once more when another broker has become it. */
  async #ask<T>(
    group: string,
    request: WireRequest<T>,
    failure: (answer: T) => { readonly errorCode: number; readonly topic?: string } | undefined,
    errorOf = groupError,
  ): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const known = this.#coordinators.get(group)
      const nodeId = known ?? (await this.#find(group, errorOf))
      // Kept only while it answers as one.
      this.#coordinators.delete(group)
      const answer = await this.#brokers.sendTo(nodeId, request)
      const failed = failure(answer)
      if (failed === undefined) {
        this.#coordinators.set(group, nodeId)
        return answer
      }
      if (failed.errorCode === ErrorCode.NOT_COORDINATOR && attempt === 1) continue
      throw errorOf(group, failed.errorCode, failed.topic)
    }
  }

  async #find(group: string, errorOf: typeof groupError): Promise<number> {
    const { errorCode, nodeId } = await this.#brokers.sendToAny(findCoordinatorRequest(group))
    if (errorCode !== ErrorCode.NONE) throw errorOf(group, errorCode)
    return nodeId
  }
}

function groupError(group: string, errorCode: number, topic?: string): OncesinkError {
  const refused = (why: string, cure: string) =>
    new OncesinkError(
      'SOURCE_REFUSED',
      `the Kafka brokers refuse the offsets of group "${group}": ${why} (${errorCodeName(errorCode)}); ${cure}, or ` +
        'switch the mirror off with kafka({ groupMirror: false })',
    )
  if (errorCode === ErrorCode.GROUP_AUTHORIZATION_FAILED) {
    return refused('this client has no right on it', "grant this client's user the right Read on the group")
  }
  if (errorCode === ErrorCode.TOPIC_AUTHORIZATION_FAILED) {
    return refused(`no right on topic "${topic}"`, "grant this client's user the right Read on the topic")
  }
  if (errorCode === ErrorCode.INVALID_GROUP_ID) {
    return refused('no group may have this name', 'give kafka({ group }) another one')
  }
  if (inUse.has(errorCode)) {
    return refused(
      'consumers have joined it, and only they may commit to it',
      'give kafka({ group }) a name that nobody else uses',
    )
  }
  return unavailable(group, errorCodeName(errorCode))
}

function unavailable(group: string, reason: string): OncesinkError {
  return new OncesinkError(
    'SOURCE_UNAVAILABLE',
    `the coordinator of Kafka group "${group}" does not take or tell offsets for now: ${reason}; check the brokers`,
  )
}
