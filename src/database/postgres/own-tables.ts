import { quoteIdentifier } from './identifiers.ts'
import type { Session } from './session.ts'

type OwnTable = 'migrations' | 'jobs' | 'topics' | 'offsets' | 'batches' | 'dead_letters'

/** One of oncesink's own tables as quoted SQL. */
export function ownTable({ schema }: Pick<Session, 'schema'>, table: OwnTable): string {
  return `${quoteIdentifier(schema)}.oncesink_${table}`
}
