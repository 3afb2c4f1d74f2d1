import { quoteIdentifier } from './identifiers.ts'

type OwnTable = 'migrations' | 'jobs' | 'topics' | 'offsets' | 'batches' | 'dead_letters'

/** One of oncesink's own tables as quoted SQL. */
export function ownTable({ schema }: { readonly schema: string }, table: OwnTable): string {
  return `${quoteIdentifier(schema)}.oncesink_${table}`
}
