import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Canonical, canonicalFor, epochMicros } from '../../../src/check/compare-values.ts'
import type { ColumnClass } from '../../../src/database/column-class.ts'
import type { ColumnValue } from '../../../src/model/values.ts'

function canonical(name: ColumnClass, scale: number | null = null): Canonical {
  const found = canonicalFor({ class: name, scale })
  if (!found) throw new Error(`${name} is compared`)
  return found
}

function same(
  name: ColumnClass,
  value: Exclude<ColumnValue, null>,
  text: string,
  scale: number | null = null,
): boolean {
  const { fromValue, fromText } = canonical(name, scale)
  return fromValue(value) === fromText(text)
}

describe('a value computed by the job equals what the server answers for it', () => {
  test.each<[ColumnClass, Exclude<ColumnValue, null>, string, number?]>([
    ['integer', 7, '7'],
    ['integer', 9007199254740993n, '9007199254740993'],
    ['integer', 1e15, '1000000000000000'],
    ['decimal', 1e21, '1000000000000000000000'],
    ['decimal', '19.50', '19.50', 2],
    ['decimal', 19.5, '19.50', 2],
    ['decimal', '-0.00', '0.00', 2],
    ['decimal', '0012.3', '12.30', 2],
    ['double', 0.1 + 0.2, '0.30000000000000004'],
    ['double', -0, '0'],
    ['double', 1e22, '1e22'],
    ['single', 0.1, '0.1'],
    ['boolean', true, 't'],
    ['boolean', false, 'false'],
    ['boolean', true, '1'],
    ['integer', true, '1'],
    ['instant', new Date('2025-11-23T01:02:03.450Z'), '2025-11-23 02:32:03.45+01:30'],
    ['instant', new Date('2025-11-23T01:02:00Z'), '2025-11-23 01:02:00+00'],
    ['local time', new Date('2025-11-23T01:02:00Z'), '2025-11-23 01:02:00'],
    ['instant', '2025-11-23T01:02:00+02:00', '2025-11-22 23:02:00+00'],
    ['instant', new Date('1969-12-31T23:59:59.999Z'), '1969-12-31 23:59:59.999000'],
    ['date', new Date('2025-11-23T00:00:00Z'), '2025-11-23'],
    ['text', 'a ', 'a '],
    ['folded text', 'X', 'X'],
    ['narrow text', 'X', 'X'],
    ['padded text', 'a', 'a   '],
    ['uuid', 'ABCDEF00-0000-4000-8000-000000000000', 'abcdef00-0000-4000-8000-000000000000'],
    ['bytes', Buffer.from([0, 255]), '\\x00ff'],
    ['binary text', 'ä', '0xC3A4'],
    ['text', 12.5, '12.5'],
    ['text', new Date(0), '1970-01-01T00:00:00.000Z'],
  ])('%s: %s is %s', (name, value, text, scale) => {
    expect(same(name, value, text, scale)).toBe(true)
  })

  test('a decimal is rounded to the scale of its column, half away from zero, as servers do', () => {
    expect(same('decimal', '1.005', '1.01', 2)).toBe(true)
    expect(same('decimal', '-1.005', '-1.01', 2)).toBe(true)
    expect(same('decimal', '1.0049', '1.00', 2)).toBe(true)
    expect(same('decimal', '0.5', '1', 0)).toBe(true)
  })
})

describe('negative controls: values that differ never compare equal', () => {
  test.each<[ColumnClass, Exclude<ColumnValue, null>, string, number?]>([
    ['integer', 9007199254740993n, '9007199254740992'],
    ['decimal', '19.50', '19.51', 2],
    ['decimal', '19.50', '-19.50', 2],
    ['decimal', '19.50', 'NaN', 2],
    ['double', 0.1 + 0.2, '0.3'],
    ['boolean', true, 'f'],
    ['instant', new Date('2025-11-23T01:02:00Z'), '2025-11-23 01:02:00+01'],
    ['instant', new Date('2025-11-23T01:02:00Z'), '2025-11-23 01:02:00.000001+00'],
    ['text', 'x', 'X'],
    ['folded text', 'x', 'X'],
    ['text', 'a', 'a '],
    ['bytes', Buffer.from([0, 255]), '\\x00fe'],
    ['binary text', 'ä', '0xC3A5'],
  ])('%s: %s is not %s', (name, value, text, scale) => {
    expect(same(name, value, text, scale)).toBe(false)
  })

  test('a class whose text is not known is not compared at all', () => {
    expect(canonicalFor({ class: 'other', scale: null })).toBeNull()
  })
})

describe('instants', () => {
  test('are the same in every offset', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('1900-01-01'), max: new Date('2200-01-01'), noInvalidDate: true }),
        fc.integer({ min: -14 * 60, max: 14 * 60 }),
        (date, offsetMinutes) => {
          const local = new Date(date.getTime() + offsetMinutes * 60_000).toISOString().slice(0, -1)
          const [hours, minutes] = [Math.floor(Math.abs(offsetMinutes) / 60), Math.abs(offsetMinutes) % 60]
          const sign = offsetMinutes < 0 ? '-' : '+'
          const pad = (n: number) => String(n).padStart(2, '0')
          const text = `${local.replace('T', ' ')}${sign}${pad(hours)}:${pad(minutes)}`
          expect(epochMicros(text)).toBe(BigInt(date.getTime()) * 1000n)
        },
      ),
    )
  })

  test('before the year 1 and after 9999 keep their order of magnitude', () => {
    expect(same('instant', new Date('-000001-02-03T00:00:00Z'), '0002-02-03 00:00:00+00 BC')).toBe(true)
    expect(same('instant', new Date('+012345-02-03T00:00:00Z'), '12345-02-03 00:00:00+00')).toBe(true)
  })
})

test('documents are compared by what they say', () => {
  const documents = canonicalFor({ class: 'document', scale: null })
  if (!documents) throw new Error('documents are not compared')
  const stored = documents.fromText('{"b": [1, {"d": null, "c": 1.50}], "10": 1, "9": "\\u00e9", "a": -0.0}')
  expect(documents.fromValue({ json: '{"10":1,"9":"é","a":0,"b":[1,{"c":1.5,"d":null}]}' })).toBe(stored)
  for (const other of ['{"10":1,"9":"é","a":0,"b":[{"c":1.5,"d":null},1]}', '{}', '[]', '"x"', 'null']) {
    expect(documents.fromValue({ json: other }), other).not.toBe(stored)
  }
  expect(documents.fromText('no JSON')).toBe('no JSON')
  expect(documents.fromText('{"object":[]}')).not.toBe(documents.fromText('{}'))
})
