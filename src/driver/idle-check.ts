import { findFenced } from '../database/protocol/fencing.ts'
import type { JobSession } from '../database/protocol/session.ts'
import { asError } from '../errors.ts'
import { topicPartitionKey } from '../model/topic-partition.ts'
import type { Strategy } from '../strategy/strategy.ts'
import type { Assignment } from './assignment.ts'
import type { Ownership } from './ownership.ts'
import { isPassing } from './until-done.ts'

/**
 * Whether an idle process no longer stands where the database says: its commits were lost by a failover or a restore,
 * or the database does not answer. Without looking it would notice only when the next record comes.
 * @throws OncesinkError OWNERSHIP_LOST when another process has claimed a partition, see {@link Assignment.fenced}
 */
export async function hasRewound(
  deps: {
    readonly session: JobSession
    readonly ownership: Ownership
    readonly strategy: Pick<Strategy, 'deferred'>
  },
  assignment: Assignment,
): Promise<boolean> {
  const claims = deps.ownership.readable()
  if (claims.length === 0) return false
  // The positions of these move in SQL without having been asked here.
  const pending = claims.filter((claim) => deps.strategy.deferred?.isPending(claim)).map(topicPartitionKey)
  try {
    const found = await findFenced(deps.session, claims)
    const fenced = found.filter(
      (tp) => tp.reason === 'owned-by-other' || !pending.includes(topicPartitionKey(tp)),
    )
    assignment.fenced(fenced.filter(({ reason }) => reason === 'owned-by-other'))
    return fenced.length > 0
  } catch (error) {
    if (isPassing(asError(error))) return true
    throw error
  }
}
