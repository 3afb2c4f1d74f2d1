import type { ChaosSpec } from 'oncesink/testing'

export default {
  tables: 'unruly-write-tables.sql',
  records: (n) => ({ value: { item: `item ${n}` } }),
  checks: [
    {
      name: 'every item once',
      query: 'SELECT item FROM seen',
      expected: (records) => records.map((record) => ({ item: (record.json() as { item: string }).item })),
    },
  ],
} satisfies ChaosSpec
