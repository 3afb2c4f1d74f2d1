import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type FieldMap, fields } from '../../../src/decode/fields.ts'
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
import { decode } from './decode.ts'

const order = fields({
  item: text({ maxLength: 5 }),
  amount: decimal(2),
  at: timestamp(),
  customer: text({ path: 'customer.id' }),
  note: optional(text()),
})

/** What one field makes of the JSON text `json` in the place of its value. */
function read(field: FieldMap[string], json: string): unknown {
  return decode(fields({ x: field }), `{"x":${json}}`).x
}

describe('fields', () => {
  test('gives the declared fields and nothing else, converted', () => {
    const row = decode(
      order,
      '{"item":"tea","amount":19.90,"at":"2026-01-31T12:00:00+01:00","customer":{"id":"c1","name":"x"},"more":[1]}',
    )
    expect(row).toEqual({
      item: 'tea',
      amount: 19.9,
      at: new Date('2026-01-31T11:00:00Z'),
      customer: 'c1',
      note: null,
    })
    expect(Object.keys(row)).toEqual(['item', 'amount', 'at', 'customer', 'note'])
  })

  test('of fields with one name the last one counts, as for JSON.parse', () => {
    const decoder = fields({ id: integer(), city: text({ path: 'address.city' }) })
    expect(
      decode(decoder, '{"id":1,"address":{"city":"a"},"id":2,"address":{"city":"b","city":"c"}}'),
    ).toEqual({ id: 2, city: 'c' })
    expect(() => decode(decoder, '{"id":1,"address":{"city":"a"},"address":{}}')).toThrow(
      "field 'city' (address.city): it is missing",
    )
  })

  test('takes hostile names for names', () => {
    const decoder = fields({
      proto: text({ path: '__proto__' }),
      constructor: text(),
      quoted: text({ path: ['a."b\\', 'x.y'] }),
      toString: optional(text()),
      '💥 "; DROP': text(),
    })
    expect(
      decode(
        decoder,
        '{"__proto__":"p","constructor":"c","a.\\"b\\\\":{"x.y":"q"},"💥 \\"; DROP":"b\\u006Fom"}',
      ),
    ).toEqual({ proto: 'p', constructor: 'c', quoted: 'q', toString: null, '💥 "; DROP': 'boom' })
    // Inherited ones are not there.
    expect(() => decode(fields({ valueOf: text() }), '{}')).toThrow("field 'valueOf': it is missing")
    expect(() => decode(fields({ length: optional(integer()) }), '[]')).toThrow('the value is an array')
    expect(decode(fields({ n: optional(integer({ path: 'list.length' })) }), '{"list":[1]}')).toEqual({
      n: null,
    })
    expect(decode(fields({ n: integer({ path: 'list.1' }) }), '{"list":[1,2]}')).toEqual({ n: 2 })
  })

  test.each<[string, string | Uint8Array | null, RegExp]>([
    ['no value', null, /^the value is null \(a tombstone\): decode with nullable/],
    ['an empty value', '', /^the text is not JSON/],
    ['a cut text', '{"item":"a"', /^the text is not JSON/],
    ['a byte order mark', '\ufeff{}', /^the text begins with a byte order mark/],
    ['another encoding', Buffer.from('{"item":"é"}', 'latin1'), /^the bytes are not valid UTF-8$/],
    ['UTF-16', Buffer.from('{"item":"e"}', 'utf16le'), /^the text is not JSON/],
    ['JSON null', 'null', /^the value is null, but fields are read from a JSON object$/],
    ['a number', '1', /^the value is 1, but/],
    [
      'a number on its own that is too long',
      '12345678901234567890',
      /^the value is 12345678901234567000, but/,
    ],
    ['an array', '[{}]', /^the value is an array, but/],
  ])('refuses %s', (_, value, message) => {
    expect(() => decode(order, value)).toThrow(message)
  })

  test('reads past whatever else is in the record, however deep or long', () => {
    const deep = `${'['.repeat(100_000)}12345678901234567890${']'.repeat(100_000)}`
    const long = 'x'.repeat(1_000_000)
    expect(decode(fields({ id: integer() }), `{"a":${deep},"b":"${long}","id":7,"c":1e999}`)).toEqual({
      id: 7,
    })
  })
})

describe('a field', () => {
  test.each<[FieldMap[string], string, unknown]>([
    [text(), '"a\\u0000é😀"', 'a\0é😀'],
    [text({ maxLength: 2 }), '"😀😀"', '😀😀'],
    [integer(), '9007199254740991', Number.MAX_SAFE_INTEGER],
    [integer(), '-9007199254740991', Number.MIN_SAFE_INTEGER],
    [integer(), '1.0', 1],
    [integer(), '-0', 0],
    [integer(), '1.0000000000000000000000', 1],
    [integer(), '1e3', 1000],
    [decimal(2), '0.1', 0.1],
    [decimal(2), '0.10000000000000000000', 0.1],
    [decimal(2), '"19.90"', 19.9],
    [decimal(2), '-0.00', 0],
    [decimal(0), '1e3', 1000],
    [decimal(2), '9999999999999.99', 9_999_999_999_999.99],
    [decimal(30), '"0.000000000000000000000000000001"', 1e-30],
    [decimal(2, { precision: 4 }), '99.99', 99.99],
    [double(), '0.1234567890123456789', 0.12345678901234568],
    [double(), '-1e-400', -0],
    [boolean(), 'false', false],
    [timestamp(), '0', new Date(0)],
    [timestamp(), '"2026-01-31"', new Date('2026-01-31T00:00:00Z')],
    [binary(), '"AAH/"', new Uint8Array([0, 1, 255])],
    [binary(), '""', new Uint8Array()],
    [document(), '{"a":[1,{"b":null}]}', { a: [1, { b: null }] }],
    [document(), '[]', []],
    [optional(document()), 'null', null],
    [optional(integer({ path: 'a.b' })), 'null', null],
  ])('%# takes %j', (field, json, value) => {
    expect(read(field, json)).toEqual(value)
  })

  test.each<[FieldMap[string], string, string]>([
    [text(), '5', "field 'x': expected text, but got 5"],
    [text(), 'null', "field 'x': it is null: declare it optional(...), or mend the producer"],
    [
      text({ path: 'x.y' }),
      '{}',
      "field 'x' (x.y): it is missing: declare it optional(...), or mend the producer",
    ],
    [text({ path: 'x.y' }), '"z"', `field 'x' (x.y): x is the string "z", which has no fields`],
    [optional(text({ path: 'x.y' })), '3', "field 'x' (x.y): x is 3, which has no fields"],
    [text({ maxLength: 2 }), '"abc"', `field 'x': the string "abc" has 3 characters, and its maxLength is 2`],
    [
      text(),
      '"\\ud800"',
      `field 'x': the string "\\u{d800}" has half a surrogate pair, which UTF-8 cannot hold`,
    ],
    [integer(), '"5"', `field 'x': expected an integer, but got the string "5"`],
    [integer(), '1.5', "field 'x': expected an integer, but got the number 1.5"],
    [
      integer(),
      '9007199254740992',
      "field 'x': the number 9007199254740992 is not an integer that a number holds exactly (2^53 - 1 at most): produce it as text",
    ],
    [
      integer(),
      '9007199254740993',
      "field 'x': the number 9007199254740993 is not an integer that a number holds exactly (2^53 - 1 at most): produce it as text",
    ],
    [
      integer(),
      '9007199254740990.6',
      "field 'x': the number 9007199254740990.6 is not an integer that a number holds exactly (2^53 - 1 at most): produce it as text",
    ],
    [
      integer(),
      '1.00000000000000000001',
      "field 'x': the number 1.00000000000000000001 is not an integer that a number holds exactly (2^53 - 1 at most): produce it as text",
    ],
    [
      integer(),
      '1e-400',
      "field 'x': the number 1e-400 is not an integer that a number holds exactly (2^53 - 1 at most): produce it as text",
    ],
    [integer(), '1e999', "field 'x': expected an integer, but got the number 1e999"],
    [decimal(2), 'true', "field 'x': expected a decimal, but got true"],
    [
      decimal(2),
      '"12,50"',
      `field 'x': the string "12,50" is not a decimal number of at most 1000 characters`,
    ],
    [decimal(2), '"NaN"', `field 'x': the string "NaN" is not a decimal number of at most 1000 characters`],
    [
      decimal(2),
      '0.125',
      "field 'x': 0.125 has more than 2 digits after the point (the scale): raise the scale, or round it in the job",
    ],
    [
      decimal(2),
      '0.1000000000000000000001',
      "field 'x': 0.1000000000000000000001 has more than 2 digits after the point (the scale): raise the scale, or round it in the job",
    ],
    [
      decimal(2),
      '1e-400',
      "field 'x': 1e-400 has more than 2 digits after the point (the scale): raise the scale, or round it in the job",
    ],
    [
      decimal(2),
      '90071992547409.92',
      "field 'x': 90071992547409.92 has more digits than a number holds exactly: produce it as text, and add it up with sumDecimal",
    ],
    [
      decimal(2),
      '"123456789012345678.90"',
      "field 'x': 123456789012345678.90 has more digits than a number holds exactly: produce it as text, and add it up with sumDecimal",
    ],
    [
      decimal(3),
      '9007199254740.991',
      "field 'x': 9007199254740.991 has more digits than a number holds exactly: produce it as text, and add it up with sumDecimal",
    ],
    [decimal(2, { precision: 4 }), '100', "field 'x': 100.00 has more than 4 digits (the precision)"],
    [double(), '"1"', `field 'x': expected a number, but got the string "1"`],
    [double(), '1e999', "field 'x': the number 1e999 is larger than a double can be"],
    [boolean(), '0', "field 'x': expected true or false, but got 0"],
    [
      timestamp(),
      '"2026-02-30T00:00:00Z"',
      `field 'x': the string "2026-02-30T00:00:00Z" is not a time that exists`,
    ],
    [
      timestamp(),
      '"2026-02-01T00:00:00"',
      `field 'x': the string "2026-02-01T00:00:00" says neither Z nor an offset: which moment it means depends on the zone`,
    ],
    [timestamp(), '1e300', "field 'x': expected a point in time, but got 1e+300"],
    [timestamp(), '{}', "field 'x': expected an ISO 8601 time or milliseconds since 1970, but got an object"],
    [binary(), '"AAH_"', `field 'x': expected base64 with padding, but got the string "AAH_"`],
    [binary(), '"AA"', `field 'x': expected base64 with padding, but got the string "AA"`],
    [document(), '"{}"', `field 'x': expected a JSON object or array, but got the string "{}"`],
    [
      document(),
      '{"a":[0,{"b.c":9007199254740993}]}',
      "field 'x': the number 9007199254740993 at a.1.b.c has more digits than a number holds: produce it as a string",
    ],
  ])('%# refuses %s', (field, json, message) => {
    expect(() => read(field, json)).toThrow(new Error(message))
  })

  test('a decimal is exactly what is written, or fails: never a neighbour', () => {
    const digits = fc.stringMatching(/^-?(0|[1-9]\d{0,17})(\.\d{1,4})?$/)
    fc.assert(
      fc.property(digits, fc.boolean(), (written, quoted) => {
        let value: number
        try {
          value = read(decimal(4), quoted ? `"${written}"` : written) as number
        } catch {
          // Nothing fails that a number holds in any case.
          expect(scaled(written.replace('-', ''))).toBeGreaterThanOrEqual(10n ** 15n)
          return
        }
        expect(scaled(String(value))).toBe(scaled(written))
      }),
      { numRuns: 500 },
    )
  })

  test('an integer is exactly what is written, or fails', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 54n), max: 2n ** 54n }), (written) => {
        const safe = written >= -(2n ** 53n) + 1n && written <= 2n ** 53n - 1n
        if (safe) expect(BigInt(read(integer(), String(written)) as number)).toBe(written)
        else expect(() => read(integer(), String(written))).toThrow('2^53')
      }),
      { numRuns: 500 },
    )
  })
})

/** Ten-thousandths. */
function scaled(text: string): bigint {
  const [integer = '', fraction = ''] = text.replace('-', '').split('.')
  const magnitude = BigInt(integer + fraction.padEnd(4, '0'))
  return text.startsWith('-') ? -magnitude : magnitude
}

describe('a declaration', () => {
  test.each<[string, () => unknown, string]>([
    ['of nothing', () => fields({}), 'fields() needs at least one field.'],
    [
      'that is no object',
      () => fields([text()] as never),
      'fields() needs an object with a field for each name, but got an array.',
    ],
    [
      'of something else',
      () => fields({ item: 'text' as never }),
      `fields() 'item' must be a field such as text(), but is the string "text".`,
    ],
    [
      'of a builder',
      () => fields({ item: text as never }),
      "fields() 'item' must be a field such as text(), but is a function.",
    ],
    [
      'of the name __proto__',
      () => fields({ ['__proto__']: text() }),
      "fields() cannot use the name '__proto__': give the field another one, and its path.",
    ],
  ])('%s is refused', (_, declare, message) => {
    expect(declare).toThrow(expect.objectContaining({ code: 'CONFIGURATION_INVALID', message }))
  })
})
