import type { ColumnDescription, TableDescription } from '../../src/database/dialect.ts'

const column = (name: string, holds: 'text' | 'integer'): ColumnDescription => ({
  name,
  type: holds,
  class: holds,
  scale: null,
  rounds: false,
  stepMs: 0.001,
  maxLength: null,
  nullable: false,
  hasDefault: false,
  generated: false,
})

/** The one sink table of simulated jobs: what was counted of each item. */
export const totalsTable: TableDescription = {
  qualifiedName: 'totals',
  kind: 'table',
  columns: [column('item', 'text'), column('orders', 'integer'), column('offsets', 'integer')],
  uniqueKeys: [['item']],
  alsoMatching: [],
  warnings: [],
  missingPrivileges: [],
  words: {
    plainTable: () => 'a table',
    exactText: () => 'text',
    integer: 'bigint',
    smallInteger: 'integer',
    decimal: () => 'numeric',
    anyDecimal: 'numeric',
    exactDecimal: null,
    double: 'double',
    boolean: 'boolean',
    instant: 'timestamp',
    finerInstant: 'timestamp',
    notNull: 'NOT NULL',
  },
}
