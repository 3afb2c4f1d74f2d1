import { asError, OncesinkError } from '../../../errors.ts'
import type { Runtime } from '../../../runtime/runtime.ts'
import type { JobEventBus } from '../../../telemetry/events.ts'
import type { AssignmentChange } from '../../membership.ts'
import type { GroupOffset, Source } from '../../source.ts'
import { protocolStem } from '../group-access.ts'
import type { KafkaSourcePlan } from '../options.ts'
import { ErrorCode, errorCodeName } from '../protocol/error-codes.ts'
import type { GroupMember } from '../protocol/group-member.ts'
import type { JoinedGroup } from '../protocol/join-group.ts'
import { Troubles } from '../troubles.ts'
import { Wakeup } from '../wakeup.ts'
import { assignPartitions } from './assign.ts'
import type { GroupCoordinator } from './coordinator.ts'
import { type GroupNames, memberIdTaken } from './group-errors.ts'
import { Holdings } from './holdings.ts'
import {
  type AssignmentData,
  decodeAssignment,
  decodeMemberData,
  encodeAssignment,
  encodeMemberData,
  wantsDigest,
} from './member-data.ts'
import type { HeldMemberId } from './member-id.ts'
import { Wants } from './wants.ts'

export interface GroupDeps {
  readonly job: string
  /** The consumer group's name. */
  readonly group: string
  /** What tells the job's database from others: members must share one, or each would read but a part for its own. */
  readonly database: () => Promise<string>
  readonly source: Pick<Source, 'describe'>
  readonly events: JobEventBus
  readonly runtime: Runtime
  /** Connects one member, for as long as it is one, to whoever keeps the group. */
  readonly coordinate: (names: GroupNames) => GroupCoordinator
  /** Holds a static id for a member that was not given one. */
  readonly holdId: (job: string, group: string) => Promise<HeldMemberId>
}

/** How long join() goes on trying by itself, in milliseconds: the first group of a cluster takes a second to be made. */
const joinPatienceMs = 3_000
/** Between heartbeats while partitions wait for their old owners, in milliseconds: the next generation is near. */
const partialHeartbeatMs = 100
/** How long that is expected to last, in milliseconds. */
const partialMs = 5_000
/** How long the farewell may take, in milliseconds. */
const leaveTimeoutMs = 2_000
/** What is in trouble, for {@link Troubles}. */
const subject = 'group'

/**
 * One member of a consumer group, from join() to leave().
 *
 * States: `new` -> join() -> `member` -> (a rebalance has begun, topics have grown, partitions were released)
 * -> `joining` -> `member`; `member` -> (left out of a generation: forfeits all) -> `joining`;
 * any -> `failed` (the next takeChanges() or confirm() says why); any -> leave() -> `left`.
 *
 * A rebalance is answered at once, by the coroutine of this object alone, whatever driver and database are doing: what
 * this member owns is read and committed meanwhile, because nobody else gets it before it was released.
 */
export class Member {
  readonly #plan: KafkaSourcePlan
  readonly #deps: GroupDeps
  readonly #names: GroupNames
  readonly #held: HeldMemberId
  readonly #tell: () => void
  readonly #coordinator: GroupCoordinator
  readonly #troubles: Troubles
  readonly #wants = new Wants()
  readonly #holdings = new Holdings()
  readonly #ending = new AbortController()
  /** Where the coroutine waits between heartbeats. */
  readonly #pulse: Wakeup
  #protocol = ''
  /** Given by the coordinator; empty until then. */
  #memberId = ''
  /** Of the latest join; -1 before the first, and after this member was left out. */
  #generation = -1
  /** What the leader took this member to want. */
  #basis = ''
  #mustRejoin = true
  /** The join and sync under way. */
  #round: Promise<void> | null = null
  #isPartialUntilMs = Number.NEGATIVE_INFINITY
  /** Whether the coordinator may know this member by its static id, though it has not called it by another one yet. */
  #mayBeKnown = false
  #failure: OncesinkError | null = null
  #coroutines: readonly Promise<void>[] = []

  /** @param tell called from the background when takeChanges() has something new to return or to throw */
  constructor(plan: KafkaSourcePlan, deps: GroupDeps, held: HeldMemberId, tell: () => void) {
    const { job, group, runtime, events, coordinate } = deps
    this.#plan = plan
    this.#deps = deps
    this.#names = { job, group, sessionTimeoutMs: plan.sessionTimeoutMs }
    this.#held = held
    this.#tell = tell
    this.#coordinator = coordinate(this.#names)
    this.#troubles = new Troubles(events, runtime.random)
    this.#pulse = new Wakeup(runtime.clock)
  }

  /** The static member id, or what the coordinator has called this member. */
  get name(): string {
    return this.#held.id ?? this.#memberId
  }

  /**
   * Resolves with the first assignment in hand.
   * @throws OncesinkError SOURCE_UNAVAILABLE when it may be tried again; what stops the job otherwise
   */
  async join(): Promise<void> {
    const { clock } = this.#deps.runtime
    const deadline = clock.monotonicMs() + joinPatienceMs
    this.#protocol = protocolOf(this.#names.job, await this.#deps.database())
    await this.#look()
    while (this.#mustRejoin) {
      const error = await this.#tryRound()
      if (this.#failure !== null) throw this.#failure
      if (error === null) continue
      if (clock.monotonicMs() > deadline || this.#ending.signal.aborted) throw error
      this.#troubles.report(subject, error)
      await clock.sleep(this.#troubles.nextDelayMs(), this.#ending.signal)
    }
    this.#coroutines = [this.#guard(this.#stay()), this.#guard(this.#watch())]
  }

  takeChanges(): AssignmentChange {
    if (this.#failure !== null) throw this.#failure
    const change = this.#holdings.take()
    // The second phase: others get what was released when this member has joined again without it.
    if (this.#holdings.isAwaitedForNothing) this.#rejoin()
    return change
  }

  async confirm(): Promise<boolean> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure
      if (this.#generation < 0 || this.#holdings.isForfeited) return false
      const generation = this.#generation
      const code = await this.#heartbeat()
      if (code === ErrorCode.NONE || code === ErrorCode.REBALANCE_IN_PROGRESS) {
        if (!this.#holdings.isForfeited) return true
      } else if (generation === this.#generation && this.#round === null) this.#heed(code)
      // It was asked in the name of a generation that has passed; the answer to the join tells more.
      else await this.#round
    }
  }

  async mirrorOffsets(offsets: readonly GroupOffset[]): Promise<void> {
    const code = await this.#coordinator.commit(this.#identity(), offsets)
    if (code === ErrorCode.NONE) return
    throw new OncesinkError(
      'SOURCE_UNAVAILABLE',
      `Kafka consumer group "${this.#names.group}" takes no offsets from this member for now (${errorCodeName(code)})`,
    )
  }

  /** Never throws. */
  async leave(): Promise<void> {
    this.#ending.abort()
    await this.#sayFarewell()
    this.#coordinator.close()
    await Promise.allSettled(this.#coroutines)
    await this.#held.release()
  }

  /** Lets the others have everything at once; without it they wait for the end of the session. */
  async #sayFarewell(): Promise<void> {
    // One that was replaced under its own id is told apart by the coordinator from the one that has replaced it.
    if (this.#memberId === '' && !this.#mayBeKnown) return
    const done = new AbortController()
    const farewell = this.#coordinator
      .leave(this.#identity())
      .catch(() => undefined)
      .finally(() => done.abort())
    await Promise.race([farewell, this.#deps.runtime.clock.sleep(leaveTimeoutMs, done.signal)])
  }

  /** The life of a member: heartbeats, and another round whenever one is called for. */
  async #stay(): Promise<void> {
    const ending = this.#ending.signal
    while (!ending.aborted && this.#failure === null) {
      let error: OncesinkError | null = null
      if (this.#mustRejoin) error = await this.#tryRound()
      else {
        await this.#pulse.wait(this.#heartbeatMs(), ending)
        if (ending.aborted) return
        if (!this.#mustRejoin) error = await this.#tryHeartbeat()
      }
      if (error === null) this.#troubles.recovered(subject)
      else {
        this.#troubles.report(subject, error)
        await this.#deps.runtime.clock.sleep(this.#troubles.nextDelayMs(), ending)
      }
    }
  }

  #heartbeatMs(): number {
    const { heartbeatIntervalMs } = this.#plan
    const isPartial = this.#deps.runtime.clock.monotonicMs() < this.#isPartialUntilMs
    return isPartial ? Math.min(partialHeartbeatMs, heartbeatIntervalMs) : heartbeatIntervalMs
  }

  async #tryHeartbeat(): Promise<OncesinkError | null> {
    try {
      this.#heed(await this.#heartbeat())
      if (this.#holdings.isForfeited || this.#failure !== null) this.#tell()
      return null
    } catch (error) {
      return this.#passing(error)
    }
  }

  #heartbeat(): Promise<number> {
    const { requestTimeoutMs, sessionTimeoutMs } = this.#plan
    return this.#coordinator.heartbeat(this.#identity(), Math.min(requestTimeoutMs, sessionTimeoutMs / 3))
  }

  /** What the coordinator says of this member. */
  #heed(code: number): void {
    if (code === ErrorCode.FENCED_INSTANCE_ID) this.#failure = memberIdTaken(this.name, this.#names)
    else if (code === ErrorCode.UNKNOWN_MEMBER_ID || code === ErrorCode.ILLEGAL_GENERATION) {
      if (code === ErrorCode.UNKNOWN_MEMBER_ID) this.#memberId = ''
      this.#generation = -1
      this.#holdings.forfeit()
    }
    if (code !== ErrorCode.NONE) this.#rejoin()
  }

  #rejoin(): void {
    this.#mustRejoin = true
    this.#pulse.wake()
  }

  /** @returns the error after which it may be tried again */
  async #tryRound(): Promise<OncesinkError | null> {
    this.#round = this.#joinAndSync()
    try {
      await this.#round
      if (this.#holdings.hasChanges || this.#failure !== null) this.#tell()
      return null
    } catch (error) {
      // It has led to nothing: another one is due.
      this.#mustRejoin = true
      return this.#passing(error)
    } finally {
      this.#round = null
    }
  }

  async #joinAndSync(): Promise<void> {
    const [owned, wants] = [this.#holdings.owned(), this.#wants.list()]
    this.#mustRejoin = false
    const { rebalanceTimeoutMs } = this.#plan
    const joined = await this.#join(encodeMemberData({ wants, owned, generation: this.#generation }))
    if (joined.errorCode === ErrorCode.MEMBER_ID_REQUIRED) this.#memberId = joined.memberId
    if (joined.errorCode !== ErrorCode.NONE) return this.#heed(joined.errorCode)
    this.#memberId = joined.memberId
    // Others may have had its partitions in a generation that it has missed.
    if (this.#generation >= 0 && joined.generation > this.#generation + 1) this.#holdings.forfeit()
    this.#generation = joined.generation
    const assignments = joined.leaderId === joined.memberId ? assignmentsOf(joined) : nothing
    const synced = await this.#coordinator.sync(this.#identity(), assignments, rebalanceTimeoutMs)
    // Whether a generation was missed the next join tells.
    if (synced.errorCode === ErrorCode.ILLEGAL_GENERATION) return this.#rejoin()
    if (synced.errorCode !== ErrorCode.NONE) return this.#heed(synced.errorCode)
    this.#accept(decodeAssignment(synced.assignment))
  }

  async #join(metadata: Buffer): Promise<JoinedGroup> {
    const { sessionTimeoutMs, rebalanceTimeoutMs } = this.#plan
    this.#mayBeKnown = this.#held.id !== null
    try {
      return await this.#coordinator.join({
        group: this.#names.group,
        sessionTimeoutMs,
        rebalanceTimeoutMs,
        memberId: this.#memberId,
        instanceId: this.#held.id,
        protocol: this.#protocol,
        metadata,
      })
    } catch (error) {
      // Refused: whoever has its id in the group is not this one, and must not be made to leave.
      const mayHaveArrived = error instanceof OncesinkError && error.disposition === 'retry'
      if (!mayHaveArrived) this.#mayBeKnown = false
      throw error
    }
  }

  #accept(assignment: AssignmentData | null): void {
    if (assignment === null) {
      this.#rejoin()
      return
    }
    this.#basis = assignment.basis
    this.#holdings.assign(assignment.partitions, assignment.isAwaited)
    const now = this.#deps.runtime.clock.monotonicMs()
    this.#isPartialUntilMs = assignment.isPartial ? now + partialMs : now
    if (this.#holdings.isAwaitedForNothing || this.#isMisjudged()) this.#rejoin()
  }

  /**
   * Whether the assignment was made from other topics and partitions than this member sees. So it is after the leader
   * was killed and has come back: it gets the old assignment, and the coordinator calls it leader by the id that it had
   * before, so that it does not know that it leads.
   */
  #isMisjudged(): boolean {
    return this.#basis !== wantsDigest(this.#wants.list())
  }

  /** Looks for partitions that were added, and for topics that newly match a pattern. */
  async #watch(): Promise<void> {
    const ending = this.#ending.signal
    while (!ending.aborted && this.#failure === null) {
      await this.#deps.runtime.clock.sleep(this.#plan.metadataRefreshMs, ending)
      if (ending.aborted) return
      try {
        await this.#look()
        if (this.#round === null && this.#isMisjudged()) this.#rejoin()
      } catch (error) {
        // The source reports brokers that do not answer, and goes on trying; so does the next look.
        this.#passing(error)
      }
    }
  }

  async #look(): Promise<void> {
    this.#wants.see(await this.#deps.source.describe())
  }

  #identity(): GroupMember {
    return {
      group: this.#names.group,
      generation: this.#generation,
      memberId: this.#memberId,
      instanceId: this.#held.id,
    }
  }

  /** The error if it may be tried again after it; else it fails the membership. */
  #passing(thrown: unknown): OncesinkError {
    const cause = asError(thrown)
    const error =
      cause instanceof OncesinkError
        ? cause
        : new OncesinkError('INVARIANT_VIOLATED', `the group membership has failed: ${cause.message}`, {
            cause,
          })
    if (error.disposition !== 'retry' && !this.#ending.signal.aborted) {
      this.#failure = error
      this.#tell()
    }
    return error
  }

  /** A coroutine that fails in a way that nobody has thought of. */
  #guard(coroutine: Promise<void>): Promise<void> {
    return coroutine.catch((error: unknown) => {
      this.#passing(error)
    })
  }
}

const nothing: ReadonlyMap<string, Buffer> = new Map()

/**
 * What the members must have in common: another job, the same job on another database, or another kind of consumer is
 * refused by the coordinator.
 */
function protocolOf(job: string, database: string): string {
  return `${protocolStem(job)}${database}`
}

/** What the leader says to every member. */
function assignmentsOf({ members }: JoinedGroup): Map<string, Buffer> {
  const group = new Map(members.map(({ memberId, metadata }) => [memberId, decodeMemberData(metadata)]))
  const { members: assigned, awaited } = assignPartitions(group)
  return new Map(
    [...group].map(([id, { wants }]) => [
      id,
      encodeAssignment({
        partitions: assigned.get(id) ?? [],
        basis: wantsDigest(wants),
        isPartial: awaited.size > 0,
        isAwaited: awaited.has(id),
      }),
    ]),
  )
}
