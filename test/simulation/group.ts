import { OncesinkError } from '../../src/errors.ts'
import { type TopicPartition, topicPartitionKey } from '../../src/model/topic-partition.ts'
import type { GroupCoordinator } from '../../src/source/kafka/group/coordinator.ts'
import type { HeldMemberId } from '../../src/source/kafka/group/member-id.ts'
import { GroupMembership } from '../../src/source/kafka/group/membership.ts'
import { type KafkaSourcePlan, kafka } from '../../src/source/kafka/options.ts'
import { ErrorCode } from '../../src/source/kafka/protocol/error-codes.ts'
import type { AssignmentChange, Membership } from '../../src/source/membership.ts'
import { EventBus, type JobEvents } from '../../src/telemetry/events.ts'
import type { SimulatedCoordinator } from './coordinator.ts'
import type { FaultInjector, MembershipOperation } from './faults.ts'
import type { Host } from './host.ts'
import { type SimulatedLog, TOPIC, TOPIC_ID } from './log.ts'
import { callThrough } from './process-faults.ts'

/** Who says nothing for this long is taken for dead, in milliseconds: less than a host may be stopped for. */
const SESSION_MS = 1_500
const HEARTBEAT_MS = 100
/** How long the coordinator is waited for, in milliseconds. */
const TIMEOUT_MS = 400

const plan = kafka({
  brokers: ['simulated:1'],
  topics: [TOPIC],
  assignment: 'group',
  sessionTimeoutMs: SESSION_MS,
  rebalanceTimeoutMs: SESSION_MS,
  heartbeatIntervalMs: HEARTBEAT_MS,
}) as KafkaSourcePlan

/** Static ids of one machine: who comes after a process that was killed gets its id, and with it what that had. */
export class MemberIds {
  readonly #holders: (Host | null)[] = []

  hold(host: Host): HeldMemberId {
    let slot = this.#holders.findIndex((holder) => holder === null || holder.crashed)
    if (slot < 0) slot = this.#holders.length
    this.#holders[slot] = host
    const release = async () => {
      if (this.#holders[slot] === host) this.#holders[slot] = null
    }
    return { id: `s${slot}`, release }
  }
}

export interface MembershipDeps {
  readonly coordinator: SimulatedCoordinator
  readonly host: Host
  readonly faults: FaultInjector
  readonly log: SimulatedLog
  /** Called when the driver is told that partitions are its own, with the grant of each. */
  readonly onGained: (grants: ReadonlyMap<string, number>) => void
  /** Null where members have no ids of their own. */
  readonly ids: MemberIds | null
}

/**
 * One process's membership: the real one, whose requests go to the simulated coordinator. It notes by which grant the
 * driver was told of each partition.
 */
export class SimulatedMembership implements Membership {
  readonly isShared = true
  readonly #deps: MembershipDeps
  readonly #real: GroupMembership
  /** What this process has been assigned, by grant, as far as it has heard. */
  #heard = new Map<string, number>()
  /** What the driver knows of, by grant. */
  readonly told = new Map<string, number>()
  /** The latest grant of each partition that it was ever told of. */
  readonly lastTold = new Map<string, number>()
  #generation = -1
  /** Whether it has heard that it was left out since the driver asked last: others may have what the driver still has. */
  isLeftOut = false

  constructor(deps: MembershipDeps) {
    const { host, log, ids } = deps
    this.#deps = deps
    const events = new EventBus<JobEvents>()
    events.on('retrying', ({ error }) => host.note(() => `asks its group again: ${error.message}`))
    this.#real = new GroupMembership(plan, {
      job: 'simulated',
      group: 'simulated',
      database: async () => 'simulated',
      source: {
        describe: async () => ({
          clusterId: 'cluster',
          topics: [{ topic: TOPIC, topicId: TOPIC_ID, partitions: log.partitions, byPattern: false }],
        }),
      },
      events,
      runtime: host.runtime({ reach: async () => {} }),
      coordinate: () => this.#connect(),
      holdId: async () => ids?.hold(host) ?? { id: null, release: async () => {} },
    })
  }

  get member(): string | null {
    return this.#real.member
  }

  async start(stop?: AbortSignal): Promise<readonly TopicPartition[]> {
    const gained = await this.#real.start(stop)
    this.told.clear()
    this.#tell(gained)
    return gained
  }

  takeChanges(): AssignmentChange {
    const change = this.#real.takeChanges()
    for (const tp of change.lost) this.told.delete(topicPartitionKey(tp))
    this.isLeftOut = false
    this.#tell(change.gained)
    return change
  }

  onChange(listener: () => void): () => void {
    return this.#real.onChange(listener)
  }

  async confirm(): Promise<boolean> {
    const isMember = await this.#real.confirm()
    if (!isMember) {
      this.told.clear()
      this.isLeftOut = false
    }
    return isMember
  }

  stop(): Promise<void> {
    return this.#real.stop()
  }

  #tell(gained: readonly TopicPartition[]): void {
    const grants = new Map(gained.map(topicPartitionKey).map((key) => [key, this.#heard.get(key) ?? 0]))
    for (const [key, grant] of grants) {
      this.told.set(key, grant)
      this.lastTold.set(key, grant)
    }
    this.#deps.onGained(grants)
  }

  #hear(code: number): void {
    if (code !== ErrorCode.UNKNOWN_MEMBER_ID && code !== ErrorCode.ILLEGAL_GENERATION) return
    this.isLeftOut = true
    this.#generation = -1
  }

  #connect(): GroupCoordinator {
    const { coordinator, host } = this.#deps
    const closing = new AbortController()
    const call = <T>(operation: MembershipOperation, ask: () => T | Promise<T>, patienceMs = TIMEOUT_MS) =>
      this.#call(operation, ask, patienceMs, closing.signal)
    return {
      join: async (join) => {
        const joined = await call('join', () => coordinator.join(host, join), SESSION_MS + TIMEOUT_MS)
        const hasMissedOne = this.#generation >= 0 && joined.generation > this.#generation + 1
        if (hasMissedOne) this.isLeftOut = true
        this.#hear(joined.errorCode)
        if (joined.errorCode === ErrorCode.NONE) this.#generation = joined.generation
        return joined
      },
      sync: async (member, assignments) => {
        const ask = async () => {
          const synced = await coordinator.sync(member, assignments)
          return { synced, grants: coordinator.grantsIn(host, synced.assignment) }
        }
        const { synced, grants } = await call('sync', ask, SESSION_MS + TIMEOUT_MS)
        if (synced.errorCode === ErrorCode.NONE) this.#heard = grants
        if (synced.errorCode === ErrorCode.UNKNOWN_MEMBER_ID) this.#hear(synced.errorCode)
        return synced
      },
      heartbeat: async (member) => {
        const code = await call('heartbeat', () => coordinator.heartbeat(member))
        this.#hear(code)
        return code
      },
      leave: (member) => call('leave', () => coordinator.leave(member)),
      commit: async () => 0,
      close: () => closing.abort(),
    }
  }

  /** Asks the coordinator, which may take its time, and hears of it a little later. */
  #call<T>(
    operation: MembershipOperation,
    ask: () => T | Promise<T>,
    patienceMs: number,
    closing: AbortSignal,
  ): Promise<T> {
    const { host, faults } = this.#deps
    const unanswered = () =>
      new OncesinkError('SOURCE_UNAVAILABLE', `the coordinator has not answered to ${operation}`)
    return callThrough(host, faults, operation, async (fault) => {
      if (fault?.kind === 'group-unavailable' || host.isCutOff) {
        await host.wait(TIMEOUT_MS, closing)
        throw unanswered()
      }
      await host.wait(host.dice.fraction() * 4)
      const answer = await answerWithin(host, ask, patienceMs, closing)
      if (answer === null || fault || host.isCutOff) {
        if (answer) await host.wait(TIMEOUT_MS, closing)
        throw unanswered()
      }
      await host.wait(host.dice.fraction() * 4)
      return answer.value
    })
  }
}

/** Null where it takes longer, or nobody waits for it any more. */
function answerWithin<T>(
  host: Host,
  ask: () => T | Promise<T>,
  patienceMs: number,
  closing: AbortSignal,
): Promise<{ readonly value: T } | null> {
  return new Promise((resolve) => {
    const over = new AbortController()
    const asked = Promise.resolve(ask()).then((value) => {
      resolve({ value })
      over.abort()
    })
    void asked
    void host.wait(patienceMs, AbortSignal.any([over.signal, closing])).then(() => resolve(null))
  })
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
