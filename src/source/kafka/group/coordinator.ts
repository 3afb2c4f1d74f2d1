import type { OncesinkError } from '../../../errors.ts'
import type { GroupOffset } from '../../source.ts'
import type { Brokers } from '../brokers.ts'
import type { WireRequest } from '../kafkajs.ts'
import { ErrorCode } from '../protocol/error-codes.ts'
import { findCoordinatorRequest } from '../protocol/find-coordinator.ts'
import type { GroupMember } from '../protocol/group-member.ts'
import { heartbeatRequest } from '../protocol/heartbeat.ts'
import { type JoinedGroup, type JoinGroup, joinGroupRequest } from '../protocol/join-group.ts'
import { leaveGroupRequest } from '../protocol/leave-group.ts'
import { offsetCommitRequest } from '../protocol/offset-commit.ts'
import { type SyncedGroup, syncGroupRequest } from '../protocol/sync-group.ts'
import { type GroupNames, membershipError } from './group-errors.ts'

/** Codes that are about this member: the state machine decides what they mean. */
const aboutMember = new Set<number>([
  ErrorCode.NONE,
  ErrorCode.ILLEGAL_GENERATION,
  ErrorCode.UNKNOWN_MEMBER_ID,
  ErrorCode.REBALANCE_IN_PROGRESS,
  ErrorCode.MEMBER_ID_REQUIRED,
  ErrorCode.FENCED_INSTANCE_ID,
])

/**
 * What a member asks of whoever keeps the group. Every method answers with the codes that are about this member, and
 * throws for all others: OncesinkError SOURCE_UNAVAILABLE when it may be asked again; SOURCE_REFUSED,
 * CONFIGURATION_INVALID otherwise.
 */
export interface GroupCoordinator {
  /** Answered when every member has joined. */
  join(join: JoinGroup): Promise<JoinedGroup>
  /** Answered when the leader has handed in the assignments. */
  sync(
    member: GroupMember,
    assignments: ReadonlyMap<string, Buffer>,
    rebalanceTimeoutMs: number,
  ): Promise<SyncedGroup>
  heartbeat(member: GroupMember, timeoutMs: number): Promise<number>
  leave(member: GroupMember): Promise<number>
  /** Answers with the first code that is not NONE, if there is one. */
  commit(member: GroupMember, offsets: readonly GroupOffset[]): Promise<number>
  /** Gives up whatever is being asked. */
  close(): void
}

/**
 * The broker that keeps the group. It is looked for when it is not known, and again after it has said that it no longer
 * is the coordinator, or has not answered.
 */
export class Coordinator implements GroupCoordinator {
  readonly #brokers: Brokers
  readonly #names: GroupNames
  #nodeId: number | null = null

  constructor(brokers: Brokers, names: GroupNames) {
    this.#brokers = brokers
    this.#names = names
  }

  join(join: JoinGroup): Promise<JoinedGroup> {
    return this.#ask(joinGroupRequest(join), ({ errorCode }) => errorCode, true)
  }

  sync(
    member: GroupMember,
    assignments: ReadonlyMap<string, Buffer>,
    rebalanceTimeoutMs: number,
  ): Promise<SyncedGroup> {
    const request = syncGroupRequest(member, assignments, rebalanceTimeoutMs)
    return this.#ask(request, ({ errorCode }) => errorCode, true)
  }

  heartbeat(member: GroupMember, timeoutMs: number): Promise<number> {
    return this.#ask(heartbeatRequest(member, timeoutMs), (code) => code)
  }

  leave(member: GroupMember): Promise<number> {
    return this.#ask(leaveGroupRequest(member), (code) => code)
  }

  async commit(member: GroupMember, offsets: readonly GroupOffset[]): Promise<number> {
    const codeOf = (committed: readonly { readonly errorCode: number }[]) =>
      committed.find(({ errorCode }) => errorCode !== ErrorCode.NONE)?.errorCode ?? ErrorCode.NONE
    return codeOf(await this.#ask(offsetCommitRequest(member.group, offsets, member), codeOf))
  }

  close(): void {
    this.#brokers.close()
  }

  async #ask<T>(request: WireRequest<T>, codeOf: (answer: T) => number, mayWait = false): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const nodeId = this.#nodeId ?? (await this.#find())
      const answer = await this.#send(nodeId, request, mayWait)
      const code = codeOf(answer)
      const error = this.#errorOf(code)
      if (error === null) return answer
      if (error.disposition === 'retry') this.#forget(nodeId)
      if (code !== ErrorCode.NOT_COORDINATOR || attempt > 1) throw error
    }
  }

  async #send<T>(nodeId: number, request: WireRequest<T>, mayWait: boolean): Promise<T> {
    try {
      return mayWait
        ? await this.#brokers.sendWaiting(nodeId, request)
        : await this.#brokers.sendTo(nodeId, request)
    } catch (error) {
      this.#forget(nodeId)
      throw error
    }
  }

  /** Another request may have found the new coordinator already. */
  #forget(nodeId: number): void {
    if (this.#nodeId === nodeId) this.#nodeId = null
  }

  async #find(): Promise<number> {
    const coordinator = await this.#brokers.sendToAny(findCoordinatorRequest(this.#names.group))
    const error = this.#errorOf(coordinator.errorCode)
    if (error !== null) throw error
    this.#brokers.learn(coordinator)
    this.#nodeId = coordinator.nodeId
    return coordinator.nodeId
  }

  #errorOf(code: number): OncesinkError | null {
    return aboutMember.has(code) ? null : membershipError(code, this.#names)
  }
}
