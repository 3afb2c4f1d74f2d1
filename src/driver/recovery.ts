import type { Claimer } from '../database/protocol/claim.ts'
import type { JobSession } from '../database/protocol/session.ts'
import { asError, OncesinkError } from '../errors.ts'
import type { Executor } from '../executor/executor.ts'
import type { TopicPartition } from '../model/topic-partition.ts'
import { topicPartitionKey } from '../model/topic-partition.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Membership } from '../source/membership.ts'
import type { JobEventBus } from '../telemetry/events.ts'
import type { Ownership } from './ownership.ts'
import { untilDone } from './until-done.ts'

export interface RecoveryDeps {
  readonly runtime: Runtime
  readonly events: JobEventBus
  readonly session: JobSession
  readonly claimer: Claimer
  readonly membership: Membership
  readonly executor: Executor
  readonly ownership: Ownership
}

/**
 * Claims newly gained partitions and seeks them to the positions stored in SQL, trying again while broker or
 * database are away.
 * @returns false when `signal` was aborted before it succeeded
 * @throws OncesinkError whatever trying again cannot mend; the last passing error once `patienceMs` is over;
 *   OWNERSHIP_LOST when somebody else has claimed what this process holds already
 */
export function gain(
  deps: RecoveryDeps,
  partitions: readonly TopicPartition[],
  signal: AbortSignal,
  patienceMs = Number.POSITIVE_INFINITY,
): Promise<boolean> {
  const claim = async () => {
    const { claims, lost } = await deps.claimer.takeOver(partitions, deps.ownership.claims())
    const [first] = lost
    if (first) throw ownershipLost(deps.session.job, lost, first.owner)
    deps.ownership.replace(claims)
  }
  return untilDone(deps, signal, patienceMs, () => claimAndSeek(deps, partitions, claim))
}

/**
 * Gets back to a known state after a batch that did not commit, or whose outcome is unknown: the connection is
 * dropped, what is owned is claimed again and sought to the positions in SQL. Everything in memory ahead of them is
 * forgotten.
 * @returns false when `signal` was aborted before it succeeded
 * @throws OncesinkError OWNERSHIP_LOST when somebody else has claimed a partition meanwhile
 */
export function recover(deps: RecoveryDeps, signal: AbortSignal): Promise<boolean> {
  deps.session.drop()
  const owned = deps.ownership.claims()
  const claim = async () => {
    if (!(await deps.membership.confirm())) throw ownershipLost(deps.session.job, owned, null)
    const { claims, lost } = await deps.claimer.claimAgain(owned)
    const [first] = lost
    if (first) throw ownershipLost(deps.session.job, lost, first.owner)
    deps.ownership.replace(claims)
  }
  return untilDone(deps, signal, Number.POSITIVE_INFINITY, () => claimAndSeek(deps, owned, claim))
}

/**
 * Whether a start that the log has left behind before anything was committed stands in the way: claiming again
 * resolves a symbolic start again; an explicit one stays out of range.
 */
export function isExpiredStart(ownership: Ownership, error: Error): boolean {
  if (!(error instanceof OncesinkError) || error.code !== 'OFFSET_OUT_OF_RANGE') return false
  return error.partition !== undefined && ownership.claimOf(error.partition)?.seq === 0n
}

/** Retention may pass a start between its claim and its seek: then it is claimed once more. */
async function claimAndSeek(
  deps: RecoveryDeps,
  partitions: readonly TopicPartition[],
  claim: () => Promise<void>,
): Promise<void> {
  await claim()
  try {
    await seekToStored(deps, partitions)
  } catch (error) {
    if (!isExpiredStart(deps.ownership, asError(error))) throw error
    await claim()
    await seekToStored(deps, partitions)
  }
}

/** The seek after a claim: that, and nothing else, decides where reading goes on. */
async function seekToStored(deps: RecoveryDeps, partitions: readonly TopicPartition[]): Promise<void> {
  const claims = partitions.flatMap((tp) => deps.ownership.claimOf(tp) ?? [])
  await deps.executor.seek(claims)
  deps.events.emit('claimed', { claims })
}

export function ownershipLost(
  job: string,
  lost: readonly TopicPartition[],
  owner: string | null,
): OncesinkError {
  const names = lost.map(topicPartitionKey).join(', ')
  return new OncesinkError(
    'OWNERSHIP_LOST',
    `another process ${owner ? `(${owner}) ` : ''}has claimed ${names} of job '${job}'; this one wrote nothing after that ` +
      'and stops. Run one process per job with assignment: all, and let its supervisor not restart it on exit code 3.',
  )
}
