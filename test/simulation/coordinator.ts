import { Buffer } from 'node:buffer'
import { topicPartitionKey } from '../../src/model/topic-partition.ts'
import { decodeAssignment, decodeMemberData } from '../../src/source/kafka/group/member-data.ts'
import { ErrorCode } from '../../src/source/kafka/protocol/error-codes.ts'
import type { GroupMember } from '../../src/source/kafka/protocol/group-member.ts'
import type { JoinedGroup, JoinGroup } from '../../src/source/kafka/protocol/join-group.ts'
import type { SyncedGroup } from '../../src/source/kafka/protocol/sync-group.ts'
import type { Host } from './host.ts'
import type { World } from './world.ts'

/** One that the coordinator knows. */
interface Known {
  readonly id: string
  readonly instanceId: string | null
  readonly host: Host
  metadata: Buffer
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  lastHeardAt: number
  /** The generation in which what it says that it owns was looked at: it was in the one before, and has joined again. */
  ownsIn: number
  /** Answers its join, or its sync, which wait. */
  joining: ((answer: JoinedGroup) => void) | null
  syncing: ((answer: SyncedGroup) => void) | null
}

/** Who a partition is assigned to. Grants of one partition are numbered in the order in which it changed hands. */
export interface Grant {
  readonly host: Host
  readonly number: number
}

type State = 'empty' | 'preparing' | 'completing' | 'stable'

const nothing = Buffer.alloc(0)

/**
 * A group's coordinator, as brokers have it (the classic protocol, joins of version 5): generations, two phases, static
 * members, sessions that expire while nobody is waited for.
 *
 * States: `empty` -> join -> `preparing` -> (all have joined, or the rebalance's time is over) -> `completing` -> (the
 * leader has handed in the assignments) -> `stable`; any -> (a join that changes something, a member gone) -> `preparing`.
 */
export class SimulatedCoordinator {
  readonly #world: World
  readonly #members = new Map<string, Known>()
  /** Ids that were given to dynamic members that have not joined with them yet. */
  readonly #pending = new Set<string>()
  readonly #assignments = new Map<string, Buffer>()
  readonly #grants = new Map<string, Grant>()
  #state: State = 'empty'
  #generation = 0
  #leader = ''
  #ids = 0
  #grantNumber = 0
  /** Counts rebalances, so that a deadline of an earlier one means nothing. */
  #round = 0
  /** How often partitions have changed hands. */
  handOvers = 0

  constructor(world: World) {
    this.#world = world
  }

  join(host: Host, request: JoinGroup): Promise<JoinedGroup> {
    const { memberId, instanceId } = request
    if (memberId === '' && instanceId !== null) return this.#joinStatic(host, request)
    if (memberId === '') {
      const id = this.#newId(host)
      this.#pending.add(id)
      this.#world.schedule(request.sessionTimeoutMs, () => {
        if (this.#pending.delete(id)) this.#completeJoin(false)
      })
      return Promise.resolve({ ...this.#refusal(ErrorCode.MEMBER_ID_REQUIRED), memberId: id })
    }
    if (this.#pending.delete(memberId)) return this.#add(host, memberId, request)
    const known = this.#members.get(memberId)
    const refused = this.#whyNot({ ...request, generation: this.#generation })
    if (!known || refused !== null)
      return Promise.resolve(this.#refusal(refused ?? ErrorCode.UNKNOWN_MEMBER_ID))
    known.lastHeardAt = this.#world.now
    const isChanged = !known.metadata.equals(request.metadata)
    const mustWait =
      this.#state === 'preparing' || isChanged || (this.#state === 'stable' && this.#leader === memberId)
    if (!mustWait) return Promise.resolve(this.#welcome(known))
    known.metadata = request.metadata
    return this.#await(known)
  }

  sync(member: GroupMember, assignments: ReadonlyMap<string, Buffer>): Promise<SyncedGroup> {
    const refused = this.#whyNot(member)
    if (refused !== null) return Promise.resolve({ errorCode: refused, assignment: nothing })
    if (this.#state === 'preparing' || this.#state === 'empty')
      return Promise.resolve({ errorCode: ErrorCode.REBALANCE_IN_PROGRESS, assignment: nothing })
    const known = this.#members.get(member.memberId)
    if (!known) return Promise.resolve({ errorCode: ErrorCode.UNKNOWN_MEMBER_ID, assignment: nothing })
    known.lastHeardAt = this.#world.now
    if (this.#state === 'stable') return Promise.resolve(this.#synced(known))
    return new Promise((resolve) => {
      known.syncing = resolve
      if (known.id === this.#leader) this.#assign(assignments)
    })
  }

  heartbeat(member: GroupMember): number {
    const refused = this.#whyNot(member)
    if (refused !== null) return refused
    const known = this.#members.get(member.memberId)
    if (known) known.lastHeardAt = this.#world.now
    return this.#state === 'preparing' ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE
  }

  leave({ memberId, instanceId }: GroupMember): number {
    const known =
      instanceId === null
        ? this.#members.get(memberId)
        : [...this.#members.values()].find((one) => one.instanceId === instanceId)
    if (!known) return ErrorCode.UNKNOWN_MEMBER_ID
    if (instanceId !== null && memberId !== '' && known.id !== memberId) return ErrorCode.FENCED_INSTANCE_ID
    this.#remove(known)
    return ErrorCode.NONE
  }

  /** Whether a member of `host` has told what it owns to whoever has divided the partitions of this generation. */
  isHeeded(host: Host): boolean {
    return [...this.#members.values()].some((one) => one.host === host && one.ownsIn === this.#generation)
  }

  /** What `host` has been given, by grant, as of an assignment. */
  grantsIn(host: Host, assignment: Buffer): Map<string, number> {
    const { partitions = [] } = decodeAssignment(assignment) ?? {}
    return new Map(
      partitions.map(topicPartitionKey).map((key) => {
        const grant = this.#grants.get(key)
        return [key, grant?.host === host ? grant.number : 0]
      }),
    )
  }

  /** One that comes back under its id has what it had; the one that it replaces is told so. */
  #joinStatic(host: Host, request: JoinGroup): Promise<JoinedGroup> {
    const old = [...this.#members.values()].find(({ instanceId }) => instanceId === request.instanceId)
    if (!old) return this.#add(host, this.#newId(host), request)
    old.joining?.(this.#refusal(ErrorCode.FENCED_INSTANCE_ID))
    old.syncing?.({ errorCode: ErrorCode.FENCED_INSTANCE_ID, assignment: nothing })
    const known = this.#known(host, this.#newId(host), request)
    this.#members.delete(old.id)
    this.#members.set(known.id, known)
    const assignment = this.#assignments.get(old.id) ?? nothing
    this.#assignments.delete(old.id)
    this.#assignments.set(known.id, assignment)
    const leaderId = this.#leader
    if (this.#leader === old.id) this.#leader = known.id
    this.#world.note('group', () => `${host.name} comes back as ${request.instanceId}`)
    if (this.#state !== 'stable') return this.#await(known)
    this.#grant(known, assignment)
    // The answer calls the leader by the id that it had before: it does not know that it leads.
    return Promise.resolve({ ...this.#welcome(known), leaderId, members: [] })
  }

  #add(host: Host, id: string, request: JoinGroup): Promise<JoinedGroup> {
    const known = this.#known(host, id, request)
    this.#members.set(id, known)
    return this.#await(known)
  }

  #known(host: Host, id: string, request: JoinGroup): Known {
    const { instanceId, metadata, sessionTimeoutMs, rebalanceTimeoutMs } = request
    const lastHeardAt = this.#world.now
    const known: Known = {
      ...{ id, instanceId, host, metadata, sessionTimeoutMs, rebalanceTimeoutMs, lastHeardAt },
      ownsIn: -1,
      joining: null,
      syncing: null,
    }
    this.#watch(known)
    return known
  }

  /** Its join is answered with the next generation. */
  #await(known: Known): Promise<JoinedGroup> {
    return new Promise((resolve) => {
      known.joining = resolve
      if (this.#state !== 'preparing') this.#prepare()
      this.#completeJoin(false)
    })
  }

  #prepare(): void {
    for (const member of this.#members.values()) {
      member.syncing?.({ errorCode: ErrorCode.REBALANCE_IN_PROGRESS, assignment: nothing })
      member.syncing = null
    }
    this.#state = 'preparing'
    this.#round += 1
    const round = this.#round
    const patienceMs = Math.max(0, ...[...this.#members.values()].map((m) => m.rebalanceTimeoutMs))
    this.#world.schedule(patienceMs, () => {
      if (this.#state === 'preparing' && this.#round === round) this.#completeJoin(true)
    })
  }

  /** The next generation, once everybody has joined or `isOver`: static members that have not stay in it, silent. */
  #completeJoin(isOver: boolean): void {
    if (this.#state !== 'preparing') return
    const members = [...this.#members.values()]
    if (!isOver && (this.#pending.size > 0 || members.some(({ joining }) => joining === null))) return
    for (const member of members)
      if (member.joining === null && member.instanceId === null) this.#forget(member)
    this.#generation += 1
    if (this.#members.size === 0) {
      this.#state = 'empty'
      return
    }
    if (this.#members.get(this.#leader)?.joining == null)
      this.#leader = [...this.#members.values()].find(({ joining }) => joining !== null)?.id ?? this.#leader
    this.#state = 'completing'
    for (const member of this.#members.values()) {
      const { generation } = decodeMemberData(member.metadata)
      if (member.joining && generation === this.#generation - 1) member.ownsIn = this.#generation
      member.lastHeardAt = this.#world.now
      member.joining?.(this.#welcome(member))
      member.joining = null
    }
  }

  #welcome({ id }: Known): JoinedGroup {
    const members =
      id === this.#leader
        ? [...this.#members.values()].map(({ id: memberId, metadata }) => ({ memberId, metadata }))
        : []
    return { errorCode: 0, generation: this.#generation, leaderId: this.#leader, memberId: id, members }
  }

  #assign(assignments: ReadonlyMap<string, Buffer>): void {
    this.#assignments.clear()
    this.#state = 'stable'
    for (const member of this.#members.values()) {
      const assignment = assignments.get(member.id) ?? nothing
      this.#assignments.set(member.id, assignment)
      this.#grant(member, assignment)
    }
    for (const member of this.#members.values()) {
      member.syncing?.(this.#synced(member))
      member.syncing = null
    }
  }

  #synced({ id }: Known): SyncedGroup {
    return { errorCode: 0, assignment: this.#assignments.get(id) ?? nothing }
  }

  #grant({ host }: Known, assignment: Buffer): void {
    for (const key of (decodeAssignment(assignment)?.partitions ?? []).map(topicPartitionKey)) {
      const before = this.#grants.get(key)
      if (before?.host === host) continue
      this.#grantNumber += 1
      if (before) this.handOvers += 1
      this.#grants.set(key, { host, number: this.#grantNumber })
    }
  }

  #whyNot({ memberId, instanceId, generation }: GroupMember): number | null {
    if (instanceId !== null) {
      const holder = [...this.#members.values()].find((member) => member.instanceId === instanceId)
      if (!holder) return ErrorCode.UNKNOWN_MEMBER_ID
      if (holder.id !== memberId) return ErrorCode.FENCED_INSTANCE_ID
    }
    if (!this.#members.has(memberId)) return ErrorCode.UNKNOWN_MEMBER_ID
    return generation === this.#generation ? null : ErrorCode.ILLEGAL_GENERATION
  }

  #refusal(errorCode: number): JoinedGroup {
    return { errorCode, generation: -1, leaderId: '', memberId: '', members: [] }
  }

  /** Who waits for an answer is not expected to say anything. */
  #watch(known: Known): void {
    const look = () => {
      if (this.#members.get(known.id) !== known) return
      const isWaiting = known.joining !== null || known.syncing !== null
      const left =
        (isWaiting ? this.#world.now : known.lastHeardAt) + known.sessionTimeoutMs - this.#world.now
      if (left > 0) {
        this.#world.schedule(left, look)
        return
      }
      this.#world.note('group', () => `takes ${known.host.name} for dead`)
      this.#remove(known)
    }
    this.#world.schedule(known.sessionTimeoutMs, look)
  }

  #remove(known: Known): void {
    this.#forget(known)
    if (this.#state === 'completing' || this.#state === 'stable') this.#prepare()
    this.#completeJoin(false)
  }

  #forget(known: Known): void {
    this.#members.delete(known.id)
    this.#assignments.delete(known.id)
    known.joining?.(this.#refusal(ErrorCode.UNKNOWN_MEMBER_ID))
    known.syncing?.({ errorCode: ErrorCode.UNKNOWN_MEMBER_ID, assignment: nothing })
  }

  #newId({ name }: Host): string {
    this.#ids += 1
    return `${name}-${this.#ids}`
  }
}
