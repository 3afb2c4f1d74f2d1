import { createHash } from 'node:crypto'

const HASH_DIGITS = 12

/**
 * What all sessions of one job have in common, and no others: `oncesink:<hash>:`. Hashed, because a job's name may be
 * longer than the 64 characters of a user-level lock's, and one job name in two databases is two jobs.
 */
export function sessionPrefix(schema: string, job: string): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([schema, job]))
    .digest('hex')
  return `oncesink:${hash.slice(0, HASH_DIGITS)}:`
}
