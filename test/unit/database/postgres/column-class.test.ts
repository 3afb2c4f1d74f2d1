import { expect, test } from 'vitest'
import { columnHolds } from '../../../../src/database/postgres/column-class.ts'

test.each([
  ['text', 'text'],
  ['character varying(64)', 'text'],
  ['character(4)', 'padded text'],
  ['bpchar', 'padded text'],
  ['citext', 'folded text'],
  ['uuid', 'uuid'],
  ['smallint', 'integer'],
  ['integer', 'integer'],
  ['bigint', 'integer'],
  ['double precision', 'double'],
  ['real', 'single'],
  ['boolean', 'boolean'],
  ['timestamp with time zone', 'instant'],
  ['timestamp(3) without time zone', 'local time'],
  ['date', 'date'],
  ['bytea', 'bytes'],
  ['jsonb', 'document'],
  ['integer[]', 'other'],
  ['inet', 'other'],
  ['interval', 'other'],
  ['constructor', 'other'],
])('%s is %s', (type, name) => {
  expect(columnHolds(type, null)).toEqual({
    class: name,
    scale: null,
    rounds: false,
    stepMs: type.startsWith('timestamp(3)') ? 1 : 0.001,
    maxLength: null,
  })
})

test('a text whose collation takes different texts for equal is folded; other types have no collation', () => {
  expect(columnHolds('text', null, null, true).class).toBe('folded text')
  expect(columnHolds('character varying(9)', null, 9, true).class).toBe('folded text')
  expect(columnHolds('character(9)', null, 9, true).class).toBe('padded text')
})

test('a decimal with a scale rounds, one without keeps every digit', () => {
  expect(columnHolds('numeric', null)).toMatchObject({ class: 'decimal', scale: null, rounds: false })
  expect(columnHolds('numeric(14,2)', 2)).toMatchObject({ class: 'decimal', scale: 2, rounds: true })
})

test('the precision of an instant is its step', () => {
  expect(columnHolds('timestamp(0) with time zone', null).stepMs).toBe(1000)
  expect(columnHolds('timestamp(2) with time zone', null).stepMs).toBe(10)
  expect(columnHolds('timestamp(6) with time zone', null).stepMs).toBe(0.001)
})
