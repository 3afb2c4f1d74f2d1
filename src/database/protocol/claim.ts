import { invariant, OncesinkError } from '../../errors.ts'
import type { Claim } from '../../model/claim.ts'
import { sortedByPartition, type TopicPartition, topicPartitionKey } from '../../model/topic-partition.ts'
import type { Source, StartFrom } from '../../source/source.ts'
import type { JobEventBus } from '../../telemetry/events.ts'
import type { Connection, PositionRow, Transaction } from '../dialect.ts'
import { endingBlockers } from './end-blockers.ts'
import { confirmIdentity, type JobIdentity } from './job-identity.ts'
import type { JobSession } from './session.ts'
import { renewExpiredStarts, writeMissingStarts } from './starts.ts'

export interface ClaimResult {
  /** What this process owns from now on, in partition order. Valid only because the claim's COMMIT was acknowledged. */
  readonly claims: readonly Claim[]
  /** Partitions that somebody else has claimed since (only when claiming again). */
  readonly lost: readonly LostPartition[]
}

export interface LostPartition extends TopicPartition {
  readonly owner: string | null
}

/** What this process knows of its own claims of one partition. */
interface OwnClaims {
  /** Epoch of the newest acknowledged claim. */
  epoch: bigint
  /** The newest acknowledged claim id, and every id written since whose COMMIT was not acknowledged. */
  readonly claimIds: Set<string>
}

export interface ClaimerDeps {
  readonly session: JobSession
  readonly source: Source
  readonly startFrom: StartFrom
  readonly identity: Omit<JobIdentity, 'clusterId'>
  readonly events: JobEventBus
}

/**
 * Takes ownership of partitions: each claim raises their fencing epochs and writes a fresh random claim id, which
 * every commit compares. All in one READ COMMITTED transaction of its own, rows locked in partition order.
 */
export class Claimer {
  readonly #deps: ClaimerDeps
  readonly #own = new Map<string, OwnClaims>()

  constructor(deps: ClaimerDeps) {
    this.#deps = deps
  }

  /**
   * Claims partitions that this process has newly gained, from whoever had them.
   * @throws OncesinkError the database's errors; JOB_IDENTITY_CONFLICT, TOPIC_RECREATED
   */
  takeOver(partitions: readonly TopicPartition[]): Promise<ClaimResult> {
    return this.#claim(partitions, () => true)
  }

  /**
   * Claims again after a lost connection, an ambiguous COMMIT or a rewound position, but only where nobody else has
   * claimed meanwhile: a process that was stopped for a while and claims unconditionally would fence the rightful
   * owner. A row still is ours when it carries one of our claim ids, or an epoch below ours (the database has lost
   * acknowledged transactions, ours among them).
   */
  claimAgain(partitions: readonly TopicPartition[]): Promise<ClaimResult> {
    return this.#claim(partitions, (row) => {
      const own = this.#own.get(topicPartitionKey(row))
      if (!own) return false
      return row.claimId === null || own.claimIds.has(row.claimId) || row.epoch < own.epoch
    })
  }

  async #claim(
    partitions: readonly TopicPartition[],
    mayClaim: (row: PositionRow) => boolean,
  ): Promise<ClaimResult> {
    const { session, source, events } = this.#deps
    const described = await source.describe()
    const connection = await session.connection()
    const sinkTables = await qualified(connection, this.#deps.identity.sinkTables)
    const trx = await connection.begin('claim')
    try {
      const claimId = session.runtime.random.uuid()
      const result = await endingBlockers(session, connection, events, async () => {
        await confirmIdentity(trx, {
          ...this.#deps.identity,
          sinkTables,
          clusterId: described.clusterId,
        })
        await writeMissingStarts(trx, session.job, source, described.topics, this.#deps.startFrom)
        return this.#claimRows(trx, sortedByPartition(partitions), claimId, mayClaim)
      })
      // Remembered before COMMIT is sent: if its answer is lost, the row may carry this id.
      for (const claim of result.claims) this.#remember(claim)
      await session.runtime.faultPoints.reach('claim.before-commit')
      const committed = await trx.commit()
      if (committed.kind !== 'committed') throw unacknowledged(session.job, committed)
      await session.runtime.faultPoints.reach('claim.after-commit')
      for (const claim of result.claims) this.#acknowledge(claim)
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
    const { session, source } = this.#deps
    const locked = await trx.lockPositions(session.job, partitions)
    invariant(
      locked.length === partitions.length,
      `${partitions.length} partitions were to be claimed, but only ${locked.length} have a position`,
    )
    const mine = await renewExpiredStarts(trx, session.job, source, locked.filter(mayClaim))
    const claimed = await trx.claimPositions(
      session.job,
      mine.map(({ topic, partition }) => ({ topic, partition, claimId, owner: session.owner })),
    )
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

  #remember(claim: Claim): void {
    const key = topicPartitionKey(claim)
    const own = this.#own.get(key)
    if (own) own.claimIds.add(claim.claimId)
    else this.#own.set(key, { epoch: 0n, claimIds: new Set([claim.claimId]) })
  }

  #acknowledge(claim: Claim): void {
    this.#own.set(topicPartitionKey(claim), { epoch: claim.epoch, claimIds: new Set([claim.claimId]) })
  }
}

/** Names as the database knows them, so that `orders` and `public.orders` are one table. */
async function qualified(connection: Connection, tables: readonly string[]): Promise<string[]> {
  const names: string[] = []
  for (const table of tables) names.push((await connection.describeTable(table))?.qualifiedName ?? table)
  return names
}

function unacknowledged(job: string, result: { kind: 'aborted' | 'unknown'; error: Error }): OncesinkError {
  if (result.error instanceof OncesinkError && result.kind === 'aborted') return result.error
  return new OncesinkError(
    'DATABASE_UNAVAILABLE',
    `the claim of job '${job}' was sent, but its COMMIT was not acknowledged; it is not used, and tried again`,
    { cause: result.error },
  )
}
