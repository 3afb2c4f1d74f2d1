import type { TableDescription } from '../database/dialect.ts'
import { type Canonical, canonicalFor } from './compare-values.ts'

/** One column of a table as it is compared. */
export interface ComparedColumn {
  readonly name: string
  /** Null: left out of the comparison. */
  readonly canonical: Canonical | null
  /** Allowed relative difference, for sums of doubles: the order of adding shows in their last bits. */
  readonly tolerance?: number
  /** `count`: counts records; `sum`: adds up, and is totalled; `other`: compared only. */
  readonly role: 'count' | 'sum' | 'other'
}

/** A column that the table does not have is not compared; reading it would fail with the server's own message. */
export function comparedColumn(name: string, description: TableDescription): ComparedColumn {
  const found = description.columns.find((column) => column.name === name)
  return { name, role: 'other', canonical: found ? canonicalFor(found) : null }
}
