import { invariant, OncesinkError } from '../../errors.ts'
import type { Claim } from '../../model/claim.ts'
import { sortedByPartition, type TopicPartition, topicPartitionKey } from '../../model/topic-partition.ts'
import type { Source, SourceDescription, StartFrom } from '../../source/source.ts'
import type { JobEventBus } from '../../telemetry/events.ts'
import type { Connection, PositionRow, Transaction } from '../dialect.ts'
import { BATCH_PATIENCE_MS, endingBlockers } from './end-blockers.ts'
import { confirmIdentity, type JobIdentity, qualifiedTables } from './job-identity.ts'
import type { JobSession } from './session.ts'
import { renewExpiredStarts, TopicsNotDescribed, writeMissingStarts } from './starts.ts'

export interface ClaimResult {
  /** What this process owns from now on, in partition order. Valid only because the claim's COMMIT was acknowledged. */
  readonly claims: readonly Claim[]
  /** What somebody else has claimed of that which this process had claimed before. */
  readonly lost: readonly LostPartition[]
}

export interface LostPartition extends TopicPartition {
  readonly owner: string | null
  /**
   * True where the row is of an older epoch than a claim that this process holds: the database has lost that claim, which
   * it had acknowledged, and whether the owner was before this process or came after it cannot be told.
   */
  readonly rewound?: boolean
}

export interface ClaimerDeps {
  readonly session: JobSession
  readonly source: Source
  readonly startFrom: StartFrom
  readonly identity: Omit<JobIdentity, 'clusterId'>
  readonly events: JobEventBus
  /** Who is written into the position as its owner, for people to read. Default: the session's owner. */
  readonly owner?: () => string
}

/** What is claimed, and under which conditions. */
interface Wanted {
  readonly partitions: readonly TopicPartition[]
  /** Nothing is claimed unless these are still this process's own. */
  readonly held: readonly TopicPartition[]
  /** Whether a row that somebody else has claimed is left to them. */
  readonly ownOnly: boolean
  readonly confirm: Confirm | null
}

/** Whether this process still is to own what it wants to claim, by the word of whoever hands partitions out. */
export type Confirm = () => Promise<boolean>

/** How long a claim waits for another claim, which takes some round trips, before it ends that one's session. */
const OTHER_CLAIM_PATIENCE_MS = 2_000

/**
 * Takes ownership of partitions: each claim raises their fencing epochs and writes a fresh random claim id, which
 * every commit compares. All in one READ COMMITTED transaction of its own.
 *
 * Claims of one job are made one after another, because each holds the lock of the job's row: what a claim reads of
 * other claims under that lock stays as it is until it has committed. It reads them once more before it waits for any
 * lock, because who waits ends the sessions of those in the way, and who was replaced must not do that to a successor.
 */
export class Claimer {
  readonly #deps: ClaimerDeps
  /** Every claim id that this process has sent, acknowledged or not. */
  readonly #ownIds = new Set<string>()
  /** Claim ids that this process has replaced, by partition: what a database that has lost its claim shows again. */
  readonly #predecessors = new Map<string, string | null>()
  /** Epoch of this process's newest acknowledged claim, by partition: a lower one in the row means that it was lost. */
  readonly #epochs = new Map<string, bigint>()
  /** Partitions whose newest claim was sent, and its COMMIT not acknowledged. */
  readonly #unacknowledged = new Set<string>()
  /** Since when it has tried to get the job's lock, over several transactions; null when it is not trying. */
  #waitingSinceMs: number | null = null

  constructor(deps: ClaimerDeps) {
    this.#deps = deps
  }

  /**
   * Claims partitions that this process has newly gained, from whoever had them. If somebody else has claimed one of
   * those that it `held` before, nothing is claimed and these are returned as lost: a process that was replaced and
   * does not know it yet must not take new partitions from its successor.
   *
   * Where partitions are handed out, `confirm` tells whether this process still is to have them. It is asked after a
   * look at who has claimed them, and the claim is made only if nobody has claimed them since that look; so however
   * long this process is stopped in between, it does not fence whoever was given them meanwhile.
   * Where nobody can tell (null), it does not claim, after a try whose COMMIT was not acknowledged, what somebody
   * else has claimed since.
   * @returns null when `confirm` says no; nothing is claimed then
   * @throws OncesinkError the database's errors; JOB_IDENTITY_CONFLICT, TOPIC_RECREATED; FENCED when somebody else has
   *   claimed a partition since the look: then it is to be tried again, from the look on
   */
  takeOver(
    partitions: readonly TopicPartition[],
    held: readonly TopicPartition[],
    confirm: Confirm | null,
  ): Promise<ClaimResult | null> {
    return this.#claim({ partitions, held, ownOnly: false, confirm })
  }

  /**
   * Claims again after a lost connection, an ambiguous COMMIT or a rewound position, but only where nobody else has
   * claimed meanwhile: a process that was stopped for a while and claims unconditionally would fence the rightful
   * owner. Epochs do not tell: a database that has lost acknowledged transactions hands them out again.
   */
  async claimAgain(partitions: readonly TopicPartition[]): Promise<ClaimResult> {
    const result = await this.#claim({ partitions, held: [], ownOnly: true, confirm: null })
    invariant(result, 'a claim that nobody was to confirm was not confirmed')
    return result
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
  async #claim(wanted: Wanted): Promise<ClaimResult | null> {
    try {
      return await this.#claimOnce(wanted)
    } catch (error) {
      if (!(error instanceof TopicsNotDescribed)) throw error
      await this.#deps.source.describe(error.stored)
      return await this.#claimOnce(wanted)
    }
  }

  async #claimOnce(wanted: Wanted): Promise<ClaimResult | null> {
    const { session, source, events } = this.#deps
    const { partitions, held, ownOnly, confirm } = wanted
    const described = await source.describe()
    const connection = await session.connection()
    const sinkTables = await qualifiedTables(connection, this.#deps.identity.sinkTables)
    const trx = await connection.begin('claim')
    const undone = async <T>(result: T): Promise<T> => {
      await trx.rollback()
      return result
    }
    try {
      const seen = await trx.readPositions(session.job)
      const replaced = this.#othersAmong(seen, ownOnly ? [...held, ...partitions] : held)
      if (replaced.length > 0) return await undone({ claims: [], lost: replaced })
      if (confirm && !(await confirm())) return await undone(null)
      await session.runtime.faultPoints.reach('claim.confirmed')

      await this.#lockJob(
        trx,
        connection,
        { ...this.#deps.identity, sinkTables, clusterId: described.clusterId },
        described,
      )
      // Nobody else can claim from here on.
      const rows = await trx.readPositions(session.job)
      const lost = this.#othersAmong(rows, held)
      if (lost.length > 0) return await undone({ claims: [], lost })
      if (!ownOnly) refuseClaimedSince(session.job, seen, rows, partitions)

      const claimId = session.runtime.random.uuid()
      const result = await endingBlockers(session, connection, events, BATCH_PATIENCE_MS, () =>
        this.#claimRows(trx, sortedByPartition(partitions), claimId, (row) => this.#mayClaim(row, wanted)),
      )
      // Remembered before COMMIT is sent: if its answer is lost, the row may carry this id.
      this.#ownIds.add(claimId)
      for (const claim of result.claims) this.#unacknowledged.add(topicPartitionKey(claim))
      await session.runtime.faultPoints.reach('claim.before-commit')
      const committed = await trx.commit()
      if (committed.kind !== 'committed') throw unacknowledged(session.job, committed)
      for (const claim of result.claims) {
        this.#unacknowledged.delete(topicPartitionKey(claim))
        this.#epochs.set(topicPartitionKey(claim), claim.epoch)
      }
      await session.runtime.faultPoints.reach('claim.after-commit')
      return result
    } catch (error) {
      await trx.rollback()
      throw error
    }
  }

  #mayClaim(row: PositionRow, { ownOnly, confirm }: Wanted): boolean {
    if (this.#isOwn(row)) return true
    return !ownOnly && (confirm !== null || !this.#unacknowledged.has(topicPartitionKey(row)))
  }

  /**
   * Takes the lock under which claims are made, and writes what is missing of the job's own rows.
   *
   * Another claim that holds it is waited for: processes that start together claim one after another. Only one that
   * does not come to an end is ended.
   */
  async #lockJob(
    trx: Transaction,
    connection: Connection,
    identity: JobIdentity,
    { topics }: SourceDescription,
  ): Promise<void> {
    const { session, source, events, startFrom } = this.#deps
    const now = session.runtime.clock.monotonicMs()
    this.#waitingSinceMs ??= now
    const patienceMs = Math.max(BATCH_PATIENCE_MS, OTHER_CLAIM_PATIENCE_MS - (now - this.#waitingSinceMs))
    const isKnown = await endingBlockers(session, connection, events, patienceMs, () =>
      confirmIdentity(trx, identity),
    )
    this.#waitingSinceMs = null
    await writeMissingStarts(trx, session.job, source, {
      topics,
      startFrom,
      isFirstClaim: !isKnown,
      acceptOtherTopics: identity.acceptShapeChange,
    })
  }

  async #claimRows(
    trx: Transaction,
    partitions: readonly TopicPartition[],
    claimId: string,
    mayClaim: (row: PositionRow) => boolean,
  ): Promise<ClaimResult> {
    const { session, source, events } = this.#deps
    const owner = this.#deps.owner?.() ?? session.owner
    const locked = await trx.lockPositions(session.job, partitions)
    invariant(
      locked.length === partitions.length,
      `${partitions.length} partitions were to be claimed, but only ${locked.length} have a position`,
    )
    const mine = await renewExpiredStarts(trx, session.job, source, locked.filter(mayClaim), events)
    const claimed = await trx.claimPositions(
      session.job,
      mine.map(({ topic, partition }) => ({ topic, partition, claimId, owner })),
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
      lost: locked.filter((row) => !mayClaim(row)).map((row) => this.#lost(row)),
    }
  }

  /** Those of `partitions` that somebody else has claimed. */
  #othersAmong(rows: readonly PositionRow[], partitions: readonly TopicPartition[]): LostPartition[] {
    const keys = new Set(partitions.map(topicPartitionKey))
    return rows
      .filter((row) => keys.has(topicPartitionKey(row)) && !this.#isOwn(row))
      .map((row) => this.#lost(row))
  }

  #lost(row: PositionRow): LostPartition {
    return { ...row, rewound: row.epoch < (this.#epochs.get(topicPartitionKey(row)) ?? 0n) }
  }
}

/** @throws OncesinkError FENCED when a partition was claimed between the two readings */
function refuseClaimedSince(
  job: string,
  before: readonly PositionRow[],
  now: readonly PositionRow[],
  partitions: readonly TopicPartition[],
): void {
  const claimIds = new Map(before.map((row) => [topicPartitionKey(row), row.claimId]))
  const keys = new Set(partitions.map(topicPartitionKey))
  const changed = now.find((row) => {
    const key = topicPartitionKey(row)
    return keys.has(key) && row.claimId !== (claimIds.get(key) ?? null)
  })
  if (!changed) return
  throw new OncesinkError(
    'FENCED',
    `${topicPartitionKey(changed)} of job '${job}' was claimed by ${changed.owner} while this process was about to claim it`,
  )
}

function unacknowledged(job: string, result: { kind: 'aborted' | 'unknown'; error: Error }): OncesinkError {
  if (result.error instanceof OncesinkError && result.kind === 'aborted') return result.error
  return new OncesinkError(
    'DATABASE_UNAVAILABLE',
    `the claim of job '${job}' was sent, but its COMMIT was not acknowledged; it is not used, and tried again`,
    { cause: result.error },
  )
}
