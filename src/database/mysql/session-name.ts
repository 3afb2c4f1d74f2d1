import { createHash } from 'node:crypto'

const HASH_DIGITS = 12

/**
 * What all sessions of one job have in common, and no others: `oncesink:<hash>:`. Hashed, because a job's name may be
 * longer than the 64 characters of a user-level lock's, whose case the server does not tell either, and one job name in
 * two databases is two jobs.
 * @param scope the database, see Session.lockScope
 */
export function sessionPrefix(scope: string, job: string): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([scope, job]))
    .digest('hex')
  return `oncesink:${hash.slice(0, HASH_DIGITS)}:`
}
