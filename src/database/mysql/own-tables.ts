import { quoteIdentifier } from './identifiers.ts'
import type { Session } from './session.ts'

type OwnTable = 'migrations' | 'jobs' | 'topics' | 'offsets' | 'batches'

/** One of oncesink's own tables as quoted SQL. */
export function ownTable(session: Session, table: OwnTable): string {
  return `${quoteIdentifier(session.schema)}.oncesink_${table}`
}
