import { findFenced } from '../database/protocol/fencing.ts'
import type { JobSession } from '../database/protocol/session.ts'
import { asError } from '../errors.ts'
import type { Assignment } from './assignment.ts'
import type { Ownership } from './ownership.ts'
import { isPassing } from './until-done.ts'

/**
 * Whether an idle process no longer stands where the database says: its commits were lost by a failover or a restore,
 * or the database does not answer. Without looking it would notice only when the next record comes.
 * @throws OncesinkError OWNERSHIP_LOST when another process has claimed a partition, see {@link Assignment.fenced}
 */
export async function hasRewound(
  deps: { readonly session: JobSession; readonly ownership: Ownership },
  assignment: Assignment,
): Promise<boolean> {
  const claims = deps.ownership.claims()
  if (claims.length === 0) return false
  try {
    const fenced = await findFenced(deps.session, claims)
    assignment.fenced(fenced.filter(({ reason }) => reason === 'owned-by-other'))
    return fenced.length > 0
  } catch (error) {
    if (isPassing(asError(error))) return true
    throw error
  }
}
