import { findFenced } from '../database/protocol/fencing.ts'
import type { JobSession } from '../database/protocol/session.ts'
import { asError } from '../errors.ts'
import type { Ownership } from './ownership.ts'
import { ownershipLost } from './recovery.ts'
import { isPassing } from './until-done.ts'

/**
 * Whether an idle process no longer stands where the database says: its commits were lost by a failover or a restore,
 * or the database does not answer. Without looking it would notice only when the next record comes.
 * @throws OncesinkError OWNERSHIP_LOST when another process has claimed a partition
 */
export async function hasRewound(deps: {
  readonly session: JobSession
  readonly ownership: Ownership
}): Promise<boolean> {
  try {
    const fenced = await findFenced(deps.session, deps.ownership.claims())
    const taken = fenced.filter(({ reason }) => reason === 'owned-by-other')
    if (taken[0]) throw ownershipLost(deps.session.job, taken, taken[0].owner)
    return fenced.length > 0
  } catch (error) {
    if (isPassing(asError(error))) return true
    throw error
  }
}
