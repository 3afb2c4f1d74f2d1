import { OncesinkError } from '../../src/errors.ts'
import { sortedByPartition, type TopicPartition, topicPartitionKey } from '../../src/model/topic-partition.ts'
import type { AssignmentChange, Membership } from '../../src/source/membership.ts'
import type { FaultInjector, MembershipOperation } from './faults.ts'
import type { Host } from './host.ts'
import { type SimulatedLog, TOPIC } from './log.ts'
import { callThrough } from './process-faults.ts'
import type { World } from './world.ts'

/** Who says nothing for this long is taken for dead, in milliseconds: less than a host may be stopped for. */
const SESSION_MS = 1_500
const HEARTBEAT_MS = 100
/** How long the coordinator is waited for, in milliseconds. */
const TIMEOUT_MS = 400

/** A partition given to a member. Grants of one partition are numbered in the order in which they were made. */
interface Grant {
  readonly member: Member
  readonly number: number
}

interface Member {
  readonly host: Host
  lastHeardAt: number
  isGone: boolean
}

/**
 * A group's coordinator, as the truth of who owns what: sticky, in two phases (a partition is granted only after its
 * previous owner has released it, or was taken for dead). Members hear of it late, and those that were stopped not at all.
 */
export class SimulatedGroup {
  readonly #world: World
  readonly #log: SimulatedLog
  readonly #members = new Set<Member>()
  readonly #grants = new Map<string, Grant>()
  #number = 0
  /** How often partitions have changed hands. */
  handOvers = 0
  /** How often a member that was alive was taken for dead. */
  expired = 0

  constructor(world: World, log: SimulatedLog) {
    this.#world = world
    this.#log = log
  }

  join(host: Host): Member {
    const member = { host, lastHeardAt: this.#world.now, isGone: false }
    this.#members.add(member)
    return member
  }

  leave(member: Member): void {
    member.isGone = true
    this.#members.delete(member)
    for (const [key, grant] of this.#grants) if (grant.member === member) this.#grants.delete(key)
  }

  /** @returns false when the member was taken for dead before */
  hear(member: Member): boolean {
    this.#expire()
    if (member.isGone) return false
    member.lastHeardAt = this.#world.now
    this.#grantFree()
    return true
  }

  /** What the member has, and what of it others are to have. */
  viewOf(member: Member): { granted: Map<string, Grant>; wanted: Set<string> } {
    const granted = new Map([...this.#grants].filter(([, grant]) => grant.member === member))
    const tooMany = Math.max(0, granted.size - this.#fairShare())
    // Which ones: any, so that it is not always the same.
    const wanted = new Set([...granted.keys()].reverse().slice(0, tooMany))
    return { granted, wanted }
  }

  release(member: Member, keys: readonly string[]): void {
    for (const key of keys) {
      if (this.#grants.get(key)?.member === member) this.#grants.delete(key)
    }
    this.#grantFree()
  }

  #fairShare(): number {
    return Math.ceil(this.#log.partitions / Math.max(1, this.#members.size))
  }

  #expire(): void {
    for (const member of this.#members) {
      if (this.#world.now - member.lastHeardAt < SESSION_MS) continue
      if (!member.host.crashed) this.expired += 1
      this.#world.note('group', () => `takes ${member.host.name} for dead`)
      this.leave(member)
    }
  }

  #grantFree(): void {
    for (const partition of this.#log.values.keys()) {
      const key = topicPartitionKey({ topic: TOPIC, partition })
      if (this.#grants.has(key)) continue
      const load = (member: Member) => [...this.#grants.values()].filter((g) => g.member === member).length
      const [member] = [...this.#members].sort((a, b) => load(a) - load(b))
      if (!member) return
      this.#number += 1
      if (this.#number > this.#log.partitions) this.handOvers += 1
      this.#grants.set(key, { member, number: this.#number })
    }
  }
}

/** One process's membership. It knows what it has been told, and by which grant. */
export class SimulatedMembership implements Membership {
  readonly isShared = true
  readonly member: string
  readonly #group: SimulatedGroup
  readonly #host: Host
  readonly #faults: FaultInjector
  readonly #listeners = new Set<() => void>()
  #membership: Member | null = null
  /** What the driver knows of, by grant. */
  readonly told = new Map<string, number>()
  /** The latest grant of each partition that it was ever told of. */
  readonly lastTold = new Map<string, number>()
  /** Granted and not told yet. */
  #granted = new Map<string, number>()
  #wanted = new Set<string>()
  #isStopped = false

  constructor(group: SimulatedGroup, host: Host, faults: FaultInjector) {
    this.#group = group
    this.#host = host
    this.#faults = faults
    this.member = host.name
  }

  async start(): Promise<readonly TopicPartition[]> {
    await this.#call('join', () => {
      this.#membership = this.#group.join(this.#host)
    })
    this.#look()
    void this.#beat()
    return this.takeChanges().gained
  }

  takeChanges(): AssignmentChange {
    const lost = [...this.told].filter(
      ([key, number]) => this.#granted.get(key) !== number || this.#wanted.has(key),
    )
    for (const [key] of lost) this.told.delete(key)
    const gained = [...this.#granted].filter(([key]) => !this.told.has(key) && !this.#wanted.has(key))
    for (const [key, number] of gained) {
      this.told.set(key, number)
      this.lastTold.set(key, number)
    }
    return { gained: partitions(gained), lost: partitions(lost) }
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async confirm(): Promise<boolean> {
    const isMember = await this.#call(
      'confirm',
      () => this.#membership !== null && this.#group.hear(this.#membership),
    )
    if (isMember && [...this.told].every(([key, number]) => this.#granted.get(key) === number)) return true
    this.told.clear()
    return false
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#host.wait(1)
    if (this.#membership && !this.#host.isCutOff) this.#group.leave(this.#membership)
  }

  /** Asks the coordinator, and hears of it a little later. */
  #call<T>(operation: MembershipOperation, ask: () => T): Promise<T> {
    const host = this.#host
    return callThrough(host, this.#faults, operation, async (fault) => {
      if (fault || host.isCutOff) {
        await host.wait(TIMEOUT_MS)
        throw new OncesinkError('SOURCE_UNAVAILABLE', `the coordinator has not answered to ${operation}`)
      }
      await host.wait(host.dice.fraction() * 4)
      const answer = ask()
      await host.wait(host.dice.fraction() * 4)
      return answer
    })
  }

  async #beat(): Promise<void> {
    while (!this.#isStopped) {
      await this.#host.wait(HEARTBEAT_MS)
      if (this.#isStopped) return
      await this.#call('heartbeat', () => this.#hear()).catch(() => {})
    }
  }

  #hear(): void {
    if (this.#isStopped) return
    if (!this.#membership || !this.#group.hear(this.#membership))
      this.#membership = this.#group.join(this.#host)
    // What is wanted elsewhere and was let go of is released by telling so.
    const released = [...this.#wanted].filter((key) => !this.told.has(key))
    this.#group.release(this.#membership, released)
    this.#look()
  }

  #look(): void {
    if (!this.#membership) return
    this.#group.hear(this.#membership)
    const { granted, wanted } = this.#group.viewOf(this.#membership)
    this.#granted = new Map([...granted].map(([key, { number }]) => [key, number]))
    this.#wanted = wanted
    const isNews =
      [...this.told].some(([key, number]) => this.#granted.get(key) !== number || wanted.has(key)) ||
      [...this.#granted.keys()].some((key) => !this.told.has(key) && !wanted.has(key))
    if (isNews) for (const listener of this.#listeners) listener()
  }
}

function partitions(entries: readonly [string, number][]): TopicPartition[] {
  return sortedByPartition(
    entries.map(([key]) => ({ topic: TOPIC, partition: Number(key.slice(key.indexOf('/') + 1)) })),
  )
}

/** All partitions, for good. */
export function soleMembership(log: SimulatedLog): Membership {
  return {
    isShared: false,
    member: null,
    onChange: () => () => {},
    start: async () => [...log.values.keys()].map((partition) => ({ topic: TOPIC, partition })),
    takeChanges: () => ({ gained: [], lost: [] }),
    confirm: async () => true,
    stop: async () => {},
  }
}
