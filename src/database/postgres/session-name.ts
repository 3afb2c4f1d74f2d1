import { createHash } from 'node:crypto'
import type { SessionName } from '../dialect.ts'

/** PostgreSQL cuts longer application names. */
const MAX_APPLICATION_NAME_BYTES = 63
const HASH_DIGITS = 12

/**
 * What all sessions of one job have in common, and no others: `oncesink:<hash>:`. Hashed, because a job's name may be
 * longer than an application name, and one job name in two schemas is two jobs.
 */
export function sessionPrefix(schema: string, job: string): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([schema, job]))
    .digest('hex')
  return `oncesink:${hash.slice(0, HASH_DIGITS)}:`
}

/** The application_name of a session. The server replaces what is not printable ASCII; so it is done here. */
export function applicationName(schema: string, session: SessionName): string {
  const owner = session.owner.replace(/[^ -~]/g, '?')
  return (sessionPrefix(schema, session.job) + owner).slice(0, MAX_APPLICATION_NAME_BYTES)
}
