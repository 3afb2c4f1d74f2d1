import { invariant, OncesinkError } from '../../errors.ts'
import type { Claim } from '../../model/claim.ts'
import { sortedByPartition, type TopicPartition, topicPartitionKey } from '../../model/topic-partition.ts'
import type { Source, StartFrom } from '../../source/source.ts'
import type { JobEventBus } from '../../telemetry/events.ts'
import type { PositionRow, Transaction } from '../dialect.ts'
import { endingBlockers } from './end-blockers.ts'
import { confirmIdentity, type JobIdentity, qualifiedTables } from './job-identity.ts'
import type { JobSession } from './session.ts'
import { renewExpiredStarts, TopicsNotDescribed, writeMissingStarts } from './starts.ts'

export interface ClaimResult {
  /** What this process owns from now on, in partition order. Valid only because the claim's COMMIT was acknowledged. */
  readonly claims: readonly Claim[]
  /** Partitions that somebody else has claimed since (only when claiming again). */
  readonly lost: readonly LostPartition[]
}

export interface LostPartition extends TopicPartition {
  readonly owner: string | null
}

export interface ClaimerDeps {
  readonly session: JobSession
  readonly source: Source
  readonly startFrom: StartFrom
  readonly identity: Omit<JobIdentity, 'clusterId'>
  readonly events: JobEventBus
}

type ClaimArguments = [
  partitions: readonly TopicPartition[],
  held: readonly TopicPartition[],
  mayClaim: (row: PositionRow) => boolean,
  lookFirst?: boolean,
]

/**
 * Takes ownership of partitions: each claim raises their fencing epochs and writes a fresh random claim id, which
 * every commit compares. All in one READ COMMITTED transaction of its own, rows locked in partition order.
 */
export class Claimer {
  readonly #deps: ClaimerDeps
  /** Every claim id that this process has sent, acknowledged or not. */
  readonly #ownIds = new Set<string>()
  /** Claim ids that this process has replaced, by partition: what a database that has lost its claim shows again. */
  readonly #predecessors = new Map<string, string | null>()
  /** Partitions whose newest claim was sent, and its COMMIT not acknowledged. */
  readonly #unacknowledged = new Set<string>()

  constructor(deps: ClaimerDeps) {
    this.#deps = deps
  }

  /**
   * Claims partitions that this process has newly gained, from whoever had them. If somebody else has claimed one of
   * those that it `held` before, nothing is claimed and these are returned as lost: a process that was replaced and
   * does not know it yet must not take new partitions from its successor.
   * Nor does it claim, after a try whose COMMIT was not acknowledged, what somebody else has claimed since.
   * @throws OncesinkError the database's errors; JOB_IDENTITY_CONFLICT, TOPIC_RECREATED
   */
  takeOver(partitions: readonly TopicPartition[], held: readonly TopicPartition[]): Promise<ClaimResult> {
    return this.#claim(
      partitions,
      held,
      (row) => !this.#unacknowledged.has(topicPartitionKey(row)) || this.#isOwn(row),
    )
  }

  /**
   * Claims again after a lost connection, an ambiguous COMMIT or a rewound position, but only where nobody else has
   * claimed meanwhile: a process that was stopped for a while and claims unconditionally would fence the rightful
   * owner. Epochs do not tell: a database that has lost acknowledged transactions hands them out again.
   */
  claimAgain(partitions: readonly TopicPartition[]): Promise<ClaimResult> {
    return this.#claim(partitions, [], (row) => this.#isOwn(row), true)
  }

  /**
   * Whether nobody else has claimed the row since: it carries one of our claim ids, or (after the database has lost
   * our claim) the one that we replaced, or none.
   */
  #isOwn(row: PositionRow): boolean {
    if (row.claimId === null || this.#ownIds.has(row.claimId)) return true
    return this.#predecessors.get(topicPartitionKey(row)) === row.claimId
  }

  /**
   * A broker that has just started may not know every topic yet. One with positions is asked for again with patience,
   * outside of the transaction, before it counts as vanished.
   */
  async #claim(...claim: ClaimArguments): Promise<ClaimResult> {
    try {
      return await this.#claimOnce(...claim)
    } catch (error) {
      if (!(error instanceof TopicsNotDescribed)) throw error
      await this.#deps.source.describe(error.stored)
      return await this.#claimOnce(...claim)
    }
  }

  async #claimOnce(
    partitions: readonly TopicPartition[],
    held: readonly TopicPartition[],
    mayClaim: (row: PositionRow) => boolean,
    lookFirst = false,
  ): Promise<ClaimResult> {
    const { session, source, events } = this.#deps
    const described = await source.describe()
    const connection = await session.connection()
    const sinkTables = await qualifiedTables(connection, this.#deps.identity.sinkTables)
    const trx = await connection.begin('claim')
    try {
      // Who has been replaced must find out before it waits for locks: it would end its successor's sessions.
      const replaced = lookFirst ? await this.#replacedAmong(trx, partitions) : []
      if (replaced.length > 0) {
        await trx.rollback()
        return { claims: [], lost: replaced }
      }
      const claimId = session.runtime.random.uuid()
      const result = await endingBlockers(session, connection, events, async () => {
        const isKnown = await confirmIdentity(trx, {
          ...this.#deps.identity,
          sinkTables,
          clusterId: described.clusterId,
        })
        await writeMissingStarts(trx, session.job, source, {
          topics: described.topics,
          startFrom: this.#deps.startFrom,
          isFirstClaim: !isKnown,
          acceptOtherTopics: this.#deps.identity.acceptShapeChange,
        })
        const lost = await this.#lostAmong(trx, held)
        if (lost.length > 0) return { claims: [], lost }
        return this.#claimRows(trx, sortedByPartition(partitions), claimId, mayClaim)
      })
      // Remembered before COMMIT is sent: if its answer is lost, the row may carry this id.
      this.#ownIds.add(claimId)
      for (const claim of result.claims) this.#unacknowledged.add(topicPartitionKey(claim))
      await session.runtime.faultPoints.reach('claim.before-commit')
      const committed = await trx.commit()
      if (committed.kind !== 'committed') throw unacknowledged(session.job, committed)
      for (const claim of result.claims) this.#unacknowledged.delete(topicPartitionKey(claim))
      await session.runtime.faultPoints.reach('claim.after-commit')
      return result
    } catch (error) {
      await trx.rollback()
      throw error
    }
  }

  async #claimRows(
    trx: Transaction,
    partitions: readonly TopicPartition[],
    claimId: string,
    mayClaim: (row: PositionRow) => boolean,
  ): Promise<ClaimResult> {
    const { session, source, events } = this.#deps
    const locked = await trx.lockPositions(session.job, partitions)
    invariant(
      locked.length === partitions.length,
      `${partitions.length} partitions were to be claimed, but only ${locked.length} have a position`,
    )
    const mine = await renewExpiredStarts(trx, session.job, source, locked.filter(mayClaim), events)
    const claimed = await trx.claimPositions(
      session.job,
      mine.map(({ topic, partition }) => ({ topic, partition, claimId, owner: session.owner })),
    )
    for (const row of mine) {
      if (!this.#isOwn(row)) this.#predecessors.set(topicPartitionKey(row), row.claimId)
    }
    const before = new Map(mine.map((row) => [topicPartitionKey(row), row]))
    for (const row of claimed) {
      const was = before.get(topicPartitionKey(row))
      invariant(
        was && row.epoch === was.epoch + 1n && row.nextOffset === was.nextOffset && row.claimId === claimId,
        `the claim of ${topicPartitionKey(row)} changed more than its epoch and claim id`,
      )
    }
    invariant(claimed.length === mine.length, 'the claim did not reach every locked row')
    return {
      claims: claimed.map((row) => ({ ...row, claimId })),
      lost: locked.filter((row) => !mayClaim(row)),
    }
  }

  /** Those of `partitions` that somebody else has claimed, read without waiting for locks. */
  async #replacedAmong(trx: Transaction, partitions: readonly TopicPartition[]): Promise<LostPartition[]> {
    const keys = new Set(partitions.map(topicPartitionKey))
    const rows = await trx.readPositions(this.#deps.session.job)
    return rows.filter((row) => keys.has(topicPartitionKey(row)) && !this.#isOwn(row))
  }

  /** Those of `held` that somebody else has claimed; their rows stay locked, so that nobody can while we claim. */
  async #lostAmong(trx: Transaction, held: readonly TopicPartition[]): Promise<LostPartition[]> {
    if (held.length === 0) return []
    const rows = await trx.lockPositions(this.#deps.session.job, sortedByPartition(held))
    return rows.filter((row) => !this.#isOwn(row))
  }
}

function unacknowledged(job: string, result: { kind: 'aborted' | 'unknown'; error: Error }): OncesinkError {
  if (result.error instanceof OncesinkError && result.kind === 'aborted') return result.error
  return new OncesinkError(
    'DATABASE_UNAVAILABLE',
    `the claim of job '${job}' was sent, but its COMMIT was not acknowledged; it is not used, and tried again`,
    { cause: result.error },
  )
}
