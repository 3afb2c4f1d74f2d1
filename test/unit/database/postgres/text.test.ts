import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { columnHolds } from '../../../../src/database/postgres/column-class.ts'
import { columnText, columnTextOf, timestampText } from '../../../../src/database/postgres/column-text.ts'
import { copyField, copyText } from '../../../../src/database/postgres/copy-text.ts'
import { quoteIdentifier, quoteTable } from '../../../../src/database/postgres/identifiers.ts'
import { applicationName, sessionPrefix } from '../../../../src/database/postgres/session-name.ts'

describe('values as text', () => {
  test('each kind of value has one text', () => {
    expect(columnText('a')).toBe('a')
    expect(columnText(1.5)).toBe('1.5')
    expect(columnText(Number.NaN)).toBe('NaN')
    expect(columnText(-(2n ** 63n))).toBe('-9223372036854775808')
    expect(columnText(true)).toBe('true')
    expect(columnText(new Uint8Array([0, 255]))).toBe('\\x00ff')
    expect(columnText(new Date('2026-03-29T01:30:00.250Z'))).toBe('2026-03-29T01:30:00.250Z')
  })

  test('a view of a larger buffer is written as what it shows', () => {
    expect(columnText(new Uint8Array([1, 2, 3, 4]).subarray(1, 3))).toBe('\\x0203')
  })

  test('years before Christ and after 9999 are written as PostgreSQL reads them', () => {
    expect(timestampText(new Date('+012345-01-02T03:04:05.006Z'))).toBe('12345-01-02T03:04:05.006Z')
    expect(timestampText(new Date('0000-01-02T03:04:05.006Z'))).toBe('0001-01-02T03:04:05.006Z BC')
    expect(timestampText(new Date('-000043-03-15T00:00:00.000Z'))).toBe('0044-03-15T00:00:00.000Z BC')
    expect(timestampText(new Date('0001-01-01T00:00:00.000Z'))).toBe('0001-01-01T00:00:00.000Z')
  })

  test.each([
    ['NUL', 'a\0b'],
    ['surrogate', 'a\ud800'],
    ['surrogate', '\udc00\ud800'],
    ['invalid', new Date(Number.NaN)],
    ['undefined', undefined as unknown as null],
  ])('a value with %s is ROWS_REJECTED with its place', (reason, value) => {
    let error: unknown
    try {
      columnTextOf(value, { table: 't', column: 'c', row: 7, holds: columnHolds('text', null) })
    } catch (thrown) {
      error = thrown
    }
    expect(error).toMatchObject({ code: 'ROWS_REJECTED', message: expect.stringContaining(reason) })
    expect(String(error)).toContain('column c of row 7 for t')
  })

  test('null is NULL, and characters outside the basic plane are characters', () => {
    expect(
      columnTextOf(null, { table: 't', column: 'c', row: 0, holds: columnHolds('text', null, 1) }),
    ).toBeNull()
    expect(columnText('𝄞😀')).toBe('𝄞😀')
  })

  test('a text longer than its column is ROWS_REJECTED, counted in code points, also where the excess is spaces', () => {
    const place = { table: 't', column: 'c', row: 7, holds: columnHolds('text', null, 2) }
    for (const fits of ['', 'ab', 'a ', '𝄞😀', 12]) expect(columnTextOf(fits, place)).toBe(String(fits))
    for (const long of ['abc', 'ab ', 'a  ', '𝄞😀 ', 123]) {
      expect(() => columnTextOf(long, place)).toThrow(
        /^column c of row 7 for t: the text has 3 characters and the column takes 2: declare/,
      )
    }
  })
})

describe('COPY text', () => {
  const readBack = (field: string) =>
    field === '\\N'
      ? null
      : field.replace(/\\(.)/gs, (_, c: string) => ({ t: '\t', n: '\n', r: '\r' })[c] ?? c)

  test('a field has no bare separator and reads back as it was, by the rules of the format', () => {
    const text = fc.string({ unit: fc.constantFrom('\\', '\t', '\n', '\r', 'N', 't', 'n', '.', 'é') })
    fc.assert(
      fc.property(fc.option(text), (value) => {
        const field = copyField(value)
        expect(field).not.toMatch(/[\t\n\r]/)
        expect(readBack(field)).toBe(value)
      }),
    )
  })

  test('pieces end with a row’s end and together hold every row once, in order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.string({ maxLength: 20 }), fc.integer())),
        fc.nat(100),
        (rows, size) => {
          const holds = columnHolds('text', null)
          const clean = rows.map(([a, b]): [string, number] => [a.replaceAll('\0', ''), b])
          const pieces = [...copyText({ table: 't', columns: ['a', 'b'], rows: clean }, [holds, holds], size)]
          expect(pieces.every((piece) => piece.endsWith('\n'))).toBe(true)
          const lines = pieces.join('').split('\n').slice(0, -1)
          expect(lines.map((line) => line.split('\t').map(readBack))).toEqual(
            clean.map(([a, b]) => [a, String(b)]),
          )
          for (const piece of pieces.slice(0, -1)) expect(piece.length).toBeGreaterThanOrEqual(size)
        },
      ),
    )
  })
})

describe('names', () => {
  test('identifiers mean exactly what was written', () => {
    expect(quoteIdentifier('a"b')).toBe('"a""b"')
    expect(quoteTable('Orders')).toBe('"Orders"')
    expect(quoteTable('my sales.Or"ders')).toBe('"my sales"."Or""ders"')
  })

  test.each(['', '.', 'a.', '.b', 'a.b.c', 'a\0'])('%j is not the name of a table', (name) => {
    expect(() => quoteTable(name)).toThrow(/is not the name of a table/)
  })

  test('sessions of one job share a prefix that no other job has', () => {
    expect(sessionPrefix('a', 'b')).toMatch(/^oncesink:[0-9a-f]{12}:$/)
    expect(sessionPrefix('a', 'b')).toBe(sessionPrefix('a', 'b'))
    const others = [
      ['a', 'c'],
      ['c', 'b'],
      ['ab', ''],
      ['', 'ab'],
      ['a"', 'b'],
    ] as const
    expect(
      new Set(others.map(([schema, job]) => sessionPrefix(schema, job))).add(sessionPrefix('a', 'b')).size,
    ).toBe(6)
  })

  test('a session’s name begins with the prefix, is printable ASCII, and as long as the server keeps', () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ unit: 'binary', maxLength: 70 }), (job, owner) => {
        const name = applicationName('oncesink', { job, owner })
        expect(name.startsWith(sessionPrefix('oncesink', job))).toBe(true)
        expect(name).toMatch(/^[ -~]{1,63}$/)
      }),
    )
  })
})
