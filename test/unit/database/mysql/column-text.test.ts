import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ColumnClass, ColumnHolds } from '../../../../src/database/column-class.ts'
import { columnLiteral, columnLiteralOf } from '../../../../src/database/mysql/column-text.ts'
import type { ColumnValue } from '../../../../src/model/values.ts'

const holds = (name: ColumnClass, change: Partial<ColumnHolds> = {}): ColumnHolds => ({
  class: name,
  scale: null,
  rounds: false,
  stepMs: 0.001,
  maxLength: null,
  ...change,
})
const day = new Date('2026-03-29T01:30:00.250Z')
const decimal = holds('decimal', { scale: 2 })
const milliseconds = holds('instant', { stepMs: 1 })
const seconds = holds('instant', { stepMs: 1000 })

describe('a value as a literal of its column', () => {
  test.each<[ColumnHolds, Exclude<ColumnValue, null>, string]>([
    [holds('text'), 'a', "'a'"],
    [holds('text'), "it's", "'it''s'"],
    [holds('text'), 'a\\', "_utf8mb4 X'615c'"],
    [holds('text'), 'a\0b', "_utf8mb4 X'610062'"],
    [holds('text'), '𝄞😀', "'𝄞😀'"],
    [holds('text'), 1.5, "'1.5'"],
    [holds('text'), 1e21, "'1e+21'"],
    [holds('text'), true, "'true'"],
    [holds('text'), day, "'2026-03-29T01:30:00.250Z'"],
    [holds('text'), Buffer.from('ä'), "'ä'"],
    [holds('document'), '{"a": 1}', `'{"a": 1}'`],
    [holds('folded text'), 2, "'2'"],
    [holds('binary text'), 'ä', "'ä'"],
    [holds('binary text'), new Uint8Array([1, 2, 255]).subarray(1), "X'02ff'"],
    [holds('integer'), 7, '7'],
    [holds('integer'), -(2n ** 63n), '-9223372036854775808'],
    [holds('integer'), 1e15, '1000000000000000'],
    [holds('integer'), '1.50e1', '15'],
    [holds('integer'), '-0', '0'],
    [holds('integer'), true, '1'],
    [decimal, 19.5, '19.5'],
    [decimal, '0012.340', '12.34'],
    [decimal, '-.5', '-0.5'],
    [decimal, '1e21', '1000000000000000000000'],
    [decimal, '-0.000', '0'],
    [holds('double'), 0.1 + 0.2, '0.30000000000000004e0'],
    [holds('double'), 5e-324, '5e-324'],
    [holds('double'), '1', '1e0'],
    [holds('boolean'), true, '1'],
    [holds('boolean'), 'F', '0'],
    [holds('boolean'), 1, '1'],
    [milliseconds, day, "'2026-03-29 01:30:00.25'"],
    [milliseconds, new Date(-1), "'1969-12-31 23:59:59.999'"],
    [seconds, new Date('2026-03-29T01:30:00Z'), "'2026-03-29 01:30:00'"],
    [milliseconds, '2026-03-29T03:30:00.250000+02:00', "'2026-03-29 01:30:00.25'"],
    [milliseconds, '2026-03-29 01:30', "'2026-03-29 01:30:00'"],
    [milliseconds, '2026-03-29', "'2026-03-29 00:00:00'"],
    [holds('instant'), '2026-03-29T01:30:00.123456Z', "'2026-03-29 01:30:00.123456'"],
    [holds('date'), day, "'2026-03-29'"],
    [holds('date'), '2026-03-29', "'2026-03-29'"],
    [holds('other'), 5, '5'],
    [holds('other'), 'POINT', "'POINT'"],
    [holds('other'), day, "'2026-03-29 01:30:00.25'"],
  ])('%o: %o is %s', (column, value, literal) => {
    expect(columnLiteral(value, column)).toBe(literal)
  })

  test.each<[ColumnHolds, ColumnValue | undefined, RegExp]>([
    [holds('text'), 'a\ud800', /half a surrogate pair/],
    [holds('text'), '\udc00\ud800', /half a surrogate pair/],
    [holds('text'), new Date(Number.NaN), /invalid/],
    [holds('text'), new Uint8Array([255]), /not valid/],
    [holds('text'), undefined, /undefined \(write null for NULL\)/],
    [holds('text', { maxLength: 2 }), 'ab ', /has 3 characters and the column takes 2/],
    [holds('text', { maxLength: 2 }), '𝄞😀 ', /has 3 characters and the column takes 2/],
    [holds('integer'), 1.5, /1.5 is no integer/],
    [holds('integer'), '1e300', /out of the range of every integer/],
    [holds('integer'), 'x', /'x' is no number/],
    [holds('integer'), '', /'' is no number/],
    [holds('integer'), '1e999999999', /exponent .* out of range/],
    [holds('integer'), day, /a Date is no number/],
    [decimal, '1.005', /3 digits after the point and the column keeps 2/],
    [decimal, 0.1 + 0.2, /digits after the point/],
    [decimal, '1e-300', /digits after the point/],
    [decimal, '1e66', /more than 65 digits/],
    [decimal, Number.NaN, /NaN is no number that the server has/],
    [holds('double'), Number.POSITIVE_INFINITY, /Infinity is no number that the server has/],
    [holds('double'), '1e309', /range of a double/],
    [holds('boolean'), 'maybe', /'maybe' is no number/],
    [seconds, day, /2 digits of a second and the column keeps 0: declare it as datetime\(2\)/],
    [milliseconds, '2026-03-29T01:30:00.1234Z', /4 digits of a second/],
    [milliseconds, '2026-02-30T00:00:00Z', /not a time that exists/],
    [milliseconds, 'tomorrow', /no point in time/],
    [milliseconds, 20260101, /number 20260101 is no point in time/],
    [milliseconds, new Date('+012345-01-01'), /after 9999/],
    [milliseconds, new Date('-000001-01-01'), /before the year 1/],
    [milliseconds, new Date('0000-06-01'), /before the year 1/],
    [milliseconds, new Date(Number.NaN), /invalid/],
  ])('%o: %o is ROWS_REJECTED with its place', (column, value, reason) => {
    let error: unknown
    try {
      columnLiteralOf(value, { table: 't', column: 'c', row: 7, holds: column })
    } catch (thrown) {
      error = thrown
    }
    expect(error).toMatchObject({ code: 'ROWS_REJECTED', message: expect.stringMatching(reason) })
    expect(String(error)).toContain('column c of row 7 for t: ')
  })

  test('null is NULL; a text as long as its column is taken', () => {
    const place = { table: 't', column: 'c', row: 0, holds: holds('text', { maxLength: 2 }) }
    expect(columnLiteralOf(null, place)).toBe('NULL')
    for (const fits of ['', 'ab', 'a ', '𝄞😀', 12]) expect(columnLiteralOf(fits, place)).toBe(`'${fits}'`)
  })

  test('no text ends its literal early, and none depends on what a backslash means', () => {
    const text = fc.string({
      unit: fc.constantFrom('\\', "'", '"', '\0', '\x1a', '`', ';', '?', 'é', '𝄞', '\n'),
    })
    fc.assert(
      fc.property(text, (value) => {
        const literal = columnLiteral(value, holds('text'))
        const hex = /^_utf8mb4 X'([0-9a-f]*)'$/.exec(literal)?.[1]
        if (hex === undefined) expect(literal).toMatch(/^'(?:[^'\\]|'')*'$/)
        const read = hex === undefined ? literal.slice(1, -1).replaceAll("''", "'") : Buffer.from(hex, 'hex')
        expect(read.toString()).toBe(value)
      }),
    )
  })

  test('a decimal literal is the number that was written, whatever way it was written', () => {
    const digits = fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(
        fc.boolean(),
        digits,
        digits,
        fc.integer({ min: -15, max: 15 }),
        (minus, whole, part, exponent) => {
          const text = `${minus ? '-' : ''}${whole}.${part}e${exponent}`
          const literal = columnLiteral(text, holds('decimal', { scale: 30 }))
          expect(literal).toMatch(/^(0|-?(0\.\d*[1-9]|[1-9]\d*(\.\d*[1-9])?))$/)
          const scaled = (value: string) => {
            const [before = '', after = ''] = value.replace('-', '').split('.')
            return BigInt((before + after.padEnd(30, '0')).replace(/^0+(?=.)/, ''))
          }
          const power = 10n ** BigInt(30 - part.length + exponent)
          expect(scaled(literal)).toBe(BigInt(whole + part) * power)
          expect(literal.startsWith('-')).toBe(minus && scaled(literal) !== 0n)
        },
      ),
    )
  })
})
