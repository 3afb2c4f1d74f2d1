import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ColumnDescription } from '../../../../src/database/dialect.ts'
import { rowLiterals } from '../../../../src/database/mysql/row-literals.ts'

const column = (name: string, type: 'text' | 'integer'): ColumnDescription => ({
  name,
  type,
  nullable: false,
  hasDefault: false,
  generated: false,
  class: type,
  scale: null,
  rounds: false,
  stepMs: 0.001,
  maxLength: null,
})
const columns = [column('i', 'integer'), column('t', 'text')]

test('statements hold every row once, in order, and none is larger than it may be, in bytes', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: fc.constantFrom('a', 'é', '𝄞', '\\'), maxLength: 20 }), { maxLength: 40 }),
      fc.integer({ min: 1, max: 300 }),
      (texts, targetBytes) => {
        const rows = texts.map((text, i) => [i, text])
        const statements = [...rowLiterals({ table: 't', columns, rows }, { targetBytes, maxBytes: 400 })]
        expect(statements.reduce((sum, statement) => sum + statement.rows, 0)).toBe(rows.length)
        for (const { text, rows: count } of statements) {
          const bytes = Buffer.byteLength(text)
          expect(bytes).toBeLessThanOrEqual(400)
          if (count > 1) expect(bytes).toBeLessThanOrEqual(targetBytes)
        }
        const order = statements.flatMap(({ text }) =>
          [...text.matchAll(/\((\d+),/g)].map((match) => Number(match[1])),
        )
        expect(order).toEqual(rows.map((_, i) => i))
      },
    ),
  )
})

test('a row that no statement can hold is ROWS_REJECTED with its size and its place', () => {
  const rows = [
    [0, 'a'],
    [1, 'é'.repeat(50)],
  ]
  expect(() => [
    ...rowLiterals({ table: 'orders', columns, rows }, { targetBytes: 50, maxBytes: 100 }),
  ]).toThrow(
    /^row 1 for orders is 107 bytes of SQL, and this server takes statements of 100 bytes .* raise .* max_allowed_packet/,
  )
})

test('checks see every value, before it is sent', () => {
  const seen: unknown[] = []
  const checks = [null, (value: unknown) => void seen.push(value)]
  const rows = [
    [0, 'a'],
    [1, null],
  ]
  expect([...rowLiterals({ table: 't', columns, rows, checks }, { targetBytes: 99, maxBytes: 99 })]).toEqual([
    { rows: 2, text: "(0,'a'),(1,NULL)" },
  ])
  expect(seen).toEqual(['a', null])
})
