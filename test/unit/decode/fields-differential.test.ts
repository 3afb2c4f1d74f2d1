import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type FieldMap, type FieldsDecoder, fields, parsedRow, plansOf } from '../../../src/decode/fields.ts'
import { shortCutsOf } from '../../../src/decode/short-cuts.ts'
import {
  binary,
  boolean,
  decimal,
  document,
  double,
  integer,
  optional,
  text,
  timestamp,
} from '../../../src/fields/builders.ts'
import { segmentFromRecords } from '../../../src/source/record-segment.ts'
import { accepted, bytesOf, either, notUtf8, refused } from '../../support/json-cases.ts'
import { decode } from './decode.ts'

/*
 * fields() reads from the bytes where it can, and over JSON.parse where it cannot. What a record comes to, and what is
 * said of one that fails, must not tell which of the two it was.
 */

const declared: FieldMap = {
  text: text({ maxLength: 3, path: 'v' }),
  anyText: text({ path: 'v' }),
  integer: integer({ path: 'v' }),
  decimal: decimal(2, { path: 'v' }),
  precise: decimal(2, { precision: 4, path: 'v' }),
  whole: decimal(0, { path: 'v' }),
  double: double({ path: 'v' }),
  boolean: boolean({ path: 'v' }),
  timestamp: timestamp({ path: 'v' }),
  binary: binary({ path: 'v' }),
  document: document({ path: 'v' }),
  inside: optional(integer({ path: 'v.a' })),
  deeper: optional(text({ path: ['v', 'b', 'c'] })),
  second: optional(integer({ path: 'v.1' })),
}

/** The value of a record that comes in a block, put together from where its fields are; undefined where one is left to the long way. */
function fromBlock(decoder: FieldsDecoder<FieldMap>, bytes: Buffer): unknown {
  const { access } = shortCutsOf(decoder)
  if (!access) throw new Error('no short cut')
  // Among records that are written alike.
  const values = [1, 2, 3, 4].flatMap((n) => [wrap(Buffer.from(String(n))), bytes])
  const segment = segmentFromRecords(
    'orders',
    0,
    values.map((value, offset) => ({ offset, value })),
  )
  access.scanner.scanRecord(segment, 0)
  const found = access.scanner.scanRecord(segment, 1)
  if (found === null) return undefined
  if (found.known !== null) blocks += 1
  const row = access.fields.map(({ name }, slot) => [name, access.read(found, slot)])
  return row.some(([, value]) => value === undefined) ? undefined : Object.fromEntries(row)
}

/** Records that were found in a block. */
let blocks = 0

/** One decoder per field, and one for its optional form, so that every field's own error shows. */
const decoders = Object.entries(declared).flatMap(([name, field]) =>
  [field, optional(field)].map((one) => {
    const map = { [name]: one, other: optional(text()) }
    return { decoder: fields(map), plans: plansOf(map) }
  }),
)

const outcome = (run: () => unknown) => {
  try {
    return { row: run() }
  } catch (error) {
    return { message: (error as Error).message }
  }
}

function expectSame(bytes: Buffer): void {
  for (const { decoder, plans } of decoders) {
    const expected = outcome(() => parsedRow(plans, bytes, 0, bytes.length))
    const actual = outcome(() => decode(decoder, bytes))
    expect(actual, bytes.toString()).toStrictEqual(expected)
    const row = fromBlock(decoder, bytes)
    if (row !== undefined) expect({ row }, bytes.toString()).toStrictEqual(expected)
    if (expected.row) expect(Object.keys(actual.row as object)).toEqual(Object.keys(expected.row))
  }
}

const wrap = (value: Buffer) => Buffer.concat([Buffer.from('{"other":"o","v":'), value, Buffer.from('}')])

// What compares values recurses into them: very deep ones are the scanner's own test.
const comparable = either.filter(([name]) => !name.startsWith('depth'))

test.each([...accepted, ...refused, ...notUtf8, ...comparable])('%s', (...one) => {
  expectSame(wrap(bytesOf(one)))
})

test.each([
  '1.005',
  '1.10',
  '99.99',
  '100.00',
  '-99.994',
  '12345678901234.5',
  '123456789012345.67',
  '0.30000000000000004',
  '1e2',
  '1.0',
  '9007199254740991',
  '9007199254740993',
  '1767268800000',
  '1767268800000.5',
  '"2026-01-31T12:00:00Z"',
  '"2026-01-31T12:00:00+01:00"',
  '"2026-02-30"',
  '"2026-01-31T12:00:00"',
  '"19.90"',
  '"-0"',
  '"abc"',
  '"abcd"',
  '"😀😀😀"',
  '"YQ=="',
  '"YQ"',
  '"\\ud800"',
  '{"a":1}',
  '{"a":1.5}',
  '{"b":{"c":"\\u0041"}}',
  '{"b":"x"}',
  '{"a":12345678901234567890}',
  '[1,2]',
  '[1,"x"]',
  '"x","v":1',
  '{"a":1},"v":{"a":2}',
  '{"a":1},"v":{}',
  '1,"z":12345678901234567890',
  '1.50,"z":"12345678901234567890"',
])('of the value %s', (value) => {
  expectSame(wrap(Buffer.from(value)))
})

test('random values', () => {
  const scalar = fc.oneof(
    fc.double({ noDefaultInfinity: true, noNaN: true }).map(String),
    fc.integer().map((n) => String(n / 100)),
    fc.bigInt({ min: -(10n ** 18n), max: 10n ** 18n }).map(String),
    fc.string({ unit: 'grapheme', maxLength: 5 }).map((value) => JSON.stringify(value)),
    fc.date({ noInvalidDate: true }).map((date) => JSON.stringify(date)),
    fc.constantFrom('true', 'false', 'null'),
  )
  const value = fc.oneof(
    scalar,
    fc.tuple(scalar, scalar).map(([a, b]) => `{"a":${a},"b":{"c":${b}}}`),
    fc.array(scalar, { maxLength: 3 }).map((items) => `[${items.join()}]`),
  )
  fc.assert(
    fc.property(value, (json) => expectSame(wrap(Buffer.from(json)))),
    { numRuns: 200, seed: 5 },
  )
}, 60_000)

test('two fields may read one path', () => {
  const decoder = fields({
    a: text({ path: 'x' }),
    b: optional(text({ path: 'x' })),
    c: integer({ path: 'y.z' }),
  })
  expect(decode(decoder, '{"x":"v","y":{"z":1}}')).toEqual({ a: 'v', b: 'v', c: 1 })
})

test('many of them were found in blocks', () => {
  expect(blocks).toBeGreaterThan(1_000)
})
