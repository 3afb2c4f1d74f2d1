import type { Claimer, LostPartition } from '../database/protocol/claim.ts'
import type { JobSession } from '../database/protocol/session.ts'
import { asError, OncesinkError } from '../errors.ts'
import type { Executor } from '../executor/executor.ts'
import type { Job } from '../job/job.ts'
import type { Claim } from '../model/claim.ts'
import { type TopicPartition, topicPartitionKey } from '../model/topic-partition.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Membership } from '../source/membership.ts'
import type { Strategy } from '../strategy/strategy.ts'
import type { JobEventBus } from '../telemetry/events.ts'
import type { Attention } from './attention.ts'
import { Contention } from './contention.ts'
import { settleWithin } from './deferred-commits.ts'
import type { Ownership } from './ownership.ts'
import { contended, ownershipLost } from './ownership-lost.ts'
import { Attempts, untilDone } from './until-done.ts'

export interface AssignmentDeps {
  readonly job: Job
  readonly runtime: Runtime
  readonly events: JobEventBus
  readonly session: JobSession
  readonly claimer: Claimer
  readonly membership: Membership
  readonly executor: Executor
  readonly ownership: Ownership
  readonly strategy: Strategy
}

/** How long partitions that come and go wait for the database to get what is durable elsewhere. */
const SETTLE_MS = 5_000

/**
 * Keeps what this process owns in step with what the membership gives and takes, and with what others claim.
 * Partitions that stay are not touched, except by {@link recover}.
 *
 * Where batches commit as a whole it is called only while none is in flight: what is taken away is released, and claims
 * use the batch's connection. Where ranges commit one by one it claims beside them, on the job's own connection, which
 * no range uses; a range in flight of a partition that is taken away is fenced by its new owner's claim.
 */
export class Assignment {
  readonly #deps: AssignmentDeps
  readonly #attention: Attention
  readonly #claiming: Attempts
  readonly #contention = new Contention()
  /** When each suspended partition is to be claimed again, by the monotonic clock. */
  readonly #suspendedUntil = new Map<string, number>()
  /** What is claimed beside the loop now. */
  #working: Promise<void> | null = null
  /** Why that cannot go on. */
  #failure: Error | null = null

  constructor(deps: AssignmentDeps, attention: Attention) {
    this.#deps = deps
    this.#attention = attention
    this.#claiming = new Attempts(deps)
  }

  /** Whether the job's connection is in use, beside the loop. */
  get isBusy(): boolean {
    return this.#working !== null
  }

  /** How long until {@link update} has something to try again, in milliseconds; Infinity when it has nothing. */
  get dueInMs(): number {
    const { ownership, runtime } = this.#deps
    if (this.isBusy) return Number.POSITIVE_INFINITY
    if (ownership.unread().length > 0) return this.#claiming.dueInMs
    const due = ownership.suspended().map((tp) => this.#suspendedUntil.get(topicPartitionKey(tp)) ?? 0)
    if (due.length === 0) return Number.POSITIVE_INFINITY
    return Math.max(0, this.#claiming.dueInMs, Math.min(...due) - runtime.clock.monotonicMs())
  }

  /**
   * Joins, claims what this process is given, and seeks it to the positions stored in SQL.
   * @returns false when `stop` was aborted before it succeeded
   * @throws OncesinkError whatever trying again cannot mend; the last passing error once `limits.startupTimeoutMs` is over
   */
  async start(stop: AbortSignal): Promise<boolean> {
    const { membership, ownership, job } = this.#deps
    const { startupTimeoutMs } = job.limits
    const join = async () => {
      try {
        ownership.give(await membership.start(stop))
      } catch (error) {
        if (!stop.aborted) throw error
      }
    }
    if (!(await untilDone(this.#deps, stop, startupTimeoutMs, join))) return false
    return untilDone(this.#deps, stop, startupTimeoutMs, async () => {
      this.#takeChanges()
      await this.#claimGained()
    })
  }

  /**
   * Lets go of what was lost, and claims and seeks what was gained. One attempt: while broker or database are away the
   * others go on, and it is made again when {@link dueInMs} is over.
   * @throws OncesinkError whatever trying again cannot mend
   */
  async update(): Promise<void> {
    if (this.#failure) throw this.#failure
    await this.#settleBeforeChanges()
    this.#takeChanges()
    if (this.dueInMs > 0) return
    if (this.#deps.strategy.unit === 'range') this.#begin()
    else await this.#claiming.run(() => this.#claimGained())
  }

  /** Claims beside the loop, which hears of it when that has ended. */
  #begin(): void {
    const work = this.#claiming.run(async () => {
      if (this.#deps.ownership.unread().length > 0) await this.#claimGained()
      await this.#claimSuspended()
    })
    this.#working = work
      .then(
        () => {},
        (error: unknown) => {
          this.#failure = asError(error)
        },
      )
      .finally(() => {
        this.#working = null
        this.#attention.want()
      })
  }

  /**
   * A range of these did not commit: everything of them that is in memory is forgotten, and after `delayMs` they are
   * claimed again and sought to the positions in SQL, by {@link update}. The other partitions go on.
   */
  suspend(partitions: readonly TopicPartition[], delayMs: number): void {
    const { executor, ownership, runtime } = this.#deps
    const dueAt = runtime.clock.monotonicMs() + delayMs
    executor.drop(partitions)
    ownership.suspend(partitions)
    for (const { topic, partition } of partitions) {
      this.#suspendedUntil.set(topicPartitionKey({ topic, partition }), dueAt)
    }
  }

  async #claimSuspended(): Promise<void> {
    const { ownership, membership, runtime } = this.#deps
    const now = runtime.clock.monotonicMs()
    const due = () =>
      ownership.suspended().filter((tp) => (this.#suspendedUntil.get(topicPartitionKey(tp)) ?? 0) <= now)
    if (due().length === 0) return
    if (!(await membership.confirm())) return this.#takeChanges()
    await this.#claimAndSeek(() => this.#claimAgain(due))
  }

  /** Waits until nothing is claimed beside the loop any more. */
  async idle(): Promise<void> {
    await this.#working
  }

  /**
   * Gets back to a known state after a batch that did not commit, or whose outcome is unknown: the connection is
   * dropped, what is owned is claimed again and sought to the positions in SQL. Everything in memory ahead of them is
   * forgotten.
   * @returns false when `stop` was aborted before it succeeded
   * @throws OncesinkError OWNERSHIP_LOST, see {@link fenced}
   */
  async recover(stop: AbortSignal): Promise<boolean> {
    const { session, membership, ownership } = this.#deps
    await this.idle()
    if (this.#failure) throw this.#failure
    session.drop()
    return untilDone(this.#deps, stop, Number.POSITIVE_INFINITY, async () => {
      this.#takeChanges()
      if (ownership.claims().length === 0) return
      if (!(await membership.confirm())) return this.#takeChanges()
      await this.#claimAndSeek(() => this.#claimAgain(() => ownership.claims()))
    })
  }

  /**
   * Who finds that somebody else has claimed one partition claims nothing at that: the others are asked for anew, or
   * they would be read on from where memory is.
   */
  async #claimAgain(which: () => readonly TopicPartition[]): Promise<readonly Claim[]> {
    const { claimer, ownership } = this.#deps
    for (;;) {
      await this.#deps.strategy.deferred?.beforeClaim(which(), ownership.claims())
      const { claims, lost } = await claimer.claimAgain(which())
      this.fenced(lost)
      if (lost.length === 0 || claims.length > 0 || which().length === 0) return claims
    }
  }

  /**
   * Somebody else has claimed partitions of this process.
   * @throws OncesinkError OWNERSHIP_LOST where the job is not shared: this process was replaced. Where it is, these are
   *   dropped, and claimed again if the membership still gives them to this process, but not over and over
   */
  fenced(lost: readonly LostPartition[]): void {
    const { job, membership, ownership, executor, events, runtime } = this.#deps
    if (lost.length === 0) return
    if (!membership.isShared) throw ownershipLost(job.name, lost)
    // A database that went back in time shows claims of the past, however often it does.
    const byOthers = lost.filter(({ rewound }) => !rewound)
    const tooOften = this.#contention.fenced(byOthers, runtime.clock.monotonicMs())
    if (tooOften.length > 0) throw contended(job.name, tooOften)
    executor.drop(lost)
    ownership.unclaim(lost)
    events.emit('lost', { partitions: lost })
  }

  /** The next owner of a partition need not read again what the database has by then. */
  async #settleBeforeChanges(): Promise<void> {
    if (!this.#deps.membership.isShared || !this.#attention.isWanted) return
    await settleWithin(this.#deps, SETTLE_MS)
  }

  #takeChanges(): void {
    this.#attention.taken()
    const { gained, lost } = this.#deps.membership.takeChanges()
    this.#release(lost)
    this.#deps.ownership.give(gained)
  }

  #release(partitions: readonly TopicPartition[]): void {
    const { executor, ownership, events } = this.#deps
    if (partitions.length === 0) return
    executor.drop(partitions)
    ownership.remove(partitions)
    this.#contention.forget(partitions)
    events.emit('lost', { partitions })
  }

  async #claimGained(): Promise<void> {
    const { claimer, membership, ownership } = this.#deps
    const { deferred } = this.#deps.strategy
    const gained = ownership.unread()
    let isMember = true
    // What the loop lets go of meanwhile is its new owner's, and the membership does not speak for it any more.
    const confirm = async () => {
      isMember = await membership.confirm()
      return isMember && gained.every((tp) => ownership.isGiven(tp))
    }
    await this.#claimAndSeek(async () => {
      if (deferred) {
        // It may end sessions of whoever had them before, which must not be those of whoever was given them since.
        const isOurs = !membership.isShared || (await confirm())
        if (!isMember) this.#takeChanges()
        if (!isOurs) return []
        await deferred.beforeClaim(gained)
      }
      const result = await claimer.takeOver(gained, ownership.claims(), membership.isShared ? confirm : null)
      if (!isMember) this.#takeChanges()
      this.fenced(result?.lost ?? [])
      return result?.claims ?? []
    })
  }

  /** Retention may pass a start between its claim and its seek: then it is claimed once more. */
  async #claimAndSeek(claim: () => Promise<readonly Claim[]>): Promise<void> {
    const { ownership } = this.#deps
    const claimed = async () => {
      // What was taken away meanwhile, beside the loop, is its new owner's.
      const claims = (await claim()).filter((made) => ownership.isGiven(made))
      ownership.claim(claims)
      await this.#deps.strategy.deferred?.claimed(claims)
      return claims
    }
    try {
      await this.#seekToStored(await claimed())
    } catch (error) {
      if (!this.isExpiredStart(asError(error))) throw error
      await this.#seekToStored(await claimed())
    }
  }

  /** The seek after a claim: that, and nothing else, decides where reading goes on. */
  async #seekToStored(claims: readonly Claim[]): Promise<void> {
    const { executor, ownership, events } = this.#deps
    if (claims.length === 0) return
    await executor.seek(claims)
    const kept = claims.filter((claim) => ownership.claimOf(claim)?.claimId === claim.claimId)
    if (kept.length < claims.length) executor.drop(claims.filter((claim) => !kept.includes(claim)))
    ownership.read(kept)
    events.emit('claimed', { claims: kept })
  }

  /**
   * Whether a start that the log has left behind before anything was committed stands in the way: claiming again
   * resolves a symbolic start again; an explicit one stays out of range.
   */
  isExpiredStart(error: Error): boolean {
    if (!(error instanceof OncesinkError) || error.code !== 'OFFSET_OUT_OF_RANGE') return false
    return error.partition !== undefined && this.#deps.ownership.claimOf(error.partition)?.seq === 0n
  }
}
