import { OncesinkError } from '../../../errors.ts'
import type { TopicPartition } from '../../../model/topic-partition.ts'
import type { AssignmentChange, Membership } from '../../membership.ts'
import type { GroupOffset } from '../../source.ts'
import type { KafkaSourcePlan } from '../options.ts'
import { type GroupDeps, Member } from './member.ts'
import type { HeldMemberId } from './member-id.ts'

/**
 * The membership of `assignment: 'group'`: processes of one job divide its partitions by way of a Kafka consumer group.
 *
 * States: `stopped` -> start() -> `member` (see {@link Member}) -> stop() -> `stopped`.
 */
export class GroupMembership implements Membership {
  readonly isShared = true
  readonly #plan: KafkaSourcePlan
  readonly #deps: GroupDeps
  readonly #listeners = new Set<() => void>()
  #member: Member | null = null
  #leaving: Promise<void> = Promise.resolve()

  constructor(plan: KafkaSourcePlan, deps: GroupDeps) {
    this.#plan = plan
    this.#deps = deps
  }

  get member(): string | null {
    return this.#member?.name ?? null
  }

  async start(stop?: AbortSignal): Promise<readonly TopicPartition[]> {
    await this.stop()
    const id = await this.#holdId()
    const member = new Member(this.#plan, this.#deps, id, () => {
      for (const listener of this.#listeners) listener()
    })
    this.#member = member
    // The answer to a join comes when every member has joined: one that is stopped is waited for.
    const giveUp = () => void this.stop()
    stop?.addEventListener('abort', giveUp)
    try {
      await member.join()
    } catch (error) {
      await this.stop()
      throw error
    } finally {
      stop?.removeEventListener('abort', giveUp)
    }
    return member.takeChanges().gained
  }

  takeChanges(): AssignmentChange {
    return this.#joined().takeChanges()
  }

  confirm(): Promise<boolean> {
    return this.#joined().confirm()
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Mirrors positions to the group, as its member: nobody else may while it has any.
   * @throws OncesinkError SOURCE_UNAVAILABLE, also while the group rebalances; SOURCE_REFUSED
   */
  async mirrorOffsets(_group: string, offsets: readonly GroupOffset[]): Promise<void> {
    await this.#joined().mirrorOffsets(offsets)
  }

  async stop(): Promise<void> {
    const member = this.#member
    this.#member = null
    if (member !== null) this.#leaving = member.leave()
    await this.#leaving
  }

  async #holdId(): Promise<HeldMemberId> {
    const { member } = this.#plan
    if (member === null) return this.#deps.holdId(this.#deps.job, this.#deps.group)
    return { id: member, release: () => Promise.resolve() }
  }

  #joined(): Member {
    if (this.#member !== null) return this.#member
    const message = `this process is not a member of Kafka consumer group "${this.#deps.group}" now`
    throw new OncesinkError('SOURCE_UNAVAILABLE', message)
  }
}
