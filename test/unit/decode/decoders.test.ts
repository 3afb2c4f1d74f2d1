import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bytes } from '../../../src/decode/bytes.ts'
import type { Decoder } from '../../../src/decode/decoder.ts'
import { decoderFromFunction } from '../../../src/decode/from-function.ts'
import { decoderFromSchema } from '../../../src/decode/from-schema.ts'
import { json } from '../../../src/decode/json.ts'
import { keyDecoder } from '../../../src/decode/key-decoder.ts'
import { nullable } from '../../../src/decode/nullable.ts'
import {
  isStandardSchema,
  type SchemaResult,
  type StandardSchema,
} from '../../../src/decode/standard-schema.ts'
import { string } from '../../../src/decode/string.ts'
import { decode, meta } from './decode.ts'

describe('json', () => {
  test('gives what JSON.parse gives for the bytes of the record alone', () => {
    expect(decode(json(), '{"item":"é\\u0000","n":[1,null]}')).toEqual({ item: 'é\0', n: [1, null] })
    expect(decode(json(), 'null')).toBeNull()
  })

  test('keeps a field named __proto__ a field', () => {
    const value = decode(json<object>(), '{"__proto__":{"polluted":true}}')
    expect(Object.keys(value)).toEqual(['__proto__'])
    expect('polluted' in value).toBe(false)
  })

  test.each([
    ['an empty value', '', /not JSON/],
    ['a cut text', '{"a":', /not JSON/],
    ['a byte order mark', '\ufeff{}', /byte order mark/],
    ['an invalid byte inside a string', Buffer.from([0x22, 0xff, 0x22]), /not valid UTF-8/],
    ['a surrogate encoded in UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), /not valid UTF-8/],
    ['a tombstone', null, /tombstone/],
  ])('refuses %s with the reason', (_, value, reason) => {
    expect(() => decode(json(), value)).toThrow(reason)
  })

  test('accepts a replacement character that is really there', () => {
    expect(decode(json(), '"\ufffd"')).toBe('\ufffd')
  })
})

describe('json with exact numbers', () => {
  const exact = json({ numbers: 'exact' })

  test.each([
    '{"a":[1,-0.5,1e3,"12345678901234567890","\\\\\\"9007199254740993"]}',
    '0.30000000000000004',
    '9007199254740992',
    '1.7976931348623157e308',
    '5e-324',
    '1.000000000000000000000000',
    '0e999',
  ])('takes %s', (text) => expect(decode(exact, text)).toEqual(JSON.parse(text)))

  test.each([
    ['{"a":[1,{"id":9007199254740993}],"b":1e999}', 'the number 9007199254740993 at a.1.id has'],
    ['12345678901234567890', 'the number 12345678901234567890 has'],
    [
      '{"\\"12345678901234567\\\\":0.30000000000000001}',
      'the number 0.30000000000000001 at "12345678901234567\\ has',
    ],
    ['[1e999]', 'the number 1e999 at 0 has'],
    ['[1e-999]', 'the number 1e-999 at 0 has'],
  ])('refuses %s', (text, message) => expect(() => decode(exact, text)).toThrow(message))

  test('is not the default, which takes the nearest number', () => {
    expect(decode(json(), '9007199254740993')).toBe(9007199254740992)
  })

  test('reads numbers as they are, or fails', () => {
    fc.assert(
      fc.property(fc.json(), fc.double({ noNaN: true, noDefaultInfinity: true }), (text, number) => {
        expect(decode(exact, `[${text},${JSON.stringify(number)}]`)).toEqual(
          JSON.parse(`[${text},${number}]`),
        )
      }),
      { numRuns: 200 },
    )
  })

  test.each([
    [{ number: 'exact' }, "json(): has no option 'number': its option is numbers."],
    [{ numbers: 'bigint' }, `json(): 'numbers' must be 'nearest' or 'exact', but is the string "bigint".`],
    [null, 'json(): needs an options object, but got null.'],
  ])('refuses the options %j', (options, message) => {
    expect(() => json(options as never)).toThrow(
      expect.objectContaining({ code: 'CONFIGURATION_INVALID', message }),
    )
  })
})

describe('string', () => {
  test('gives the text', () => expect(decode(string(), 'héllo')).toBe('héllo'))

  test('refuses invalid UTF-8 and tombstones', () => {
    expect(() => decode(string(), Buffer.from([0xc3]))).toThrow(/not valid UTF-8/)
    expect(() => decode(string(), null)).toThrow(/tombstone/)
  })
})

describe('bytes', () => {
  test('gives a copy that does not change with the buffer', () => {
    const buffer = Buffer.from('abcd')
    const value = bytes().decode(buffer, 1, 3, meta)
    buffer.fill(0)
    expect(value).toEqual(new Uint8Array([98, 99]))
    expect(value.buffer.byteLength).toBe(2)
  })

  test('refuses tombstones', () => expect(() => decode(bytes(), null)).toThrow(/tombstone/))
})

describe('nullable', () => {
  test('gives null for a record without a value, and leaves everything else to its decoder', () => {
    expect(decode(nullable(json<number>()), null)).toBeNull()
    expect(decode(nullable(json<number>()), '1')).toBe(1)
    expect(() => decode(nullable(json()), '')).toThrow(/not JSON/)
    expect(nullable(json()).name).toBe('nullable json')
  })

  test('takes whatever decodes', () => {
    expect(
      decode(
        nullable((value) => value?.length),
        'abc',
      ),
    ).toBe(3)
    const schema = {
      '~standard': { version: 1, vendor: 'test', validate: () => ({ value: 'seen' }) },
    } as const
    expect(decode(nullable(schema), 'null')).toBe('seen')
    expect(decode(nullable(schema), null)).toBeNull()
    expect(() => nullable({} as never)).toThrow(
      /^nullable\(\) needs a decoder such as json\(\), a function or a Standard Schema \(version 1\), but got an object\.$/,
    )
  })
})

describe('a key decoder', () => {
  test('says of a record without a key that the key is missing', () => {
    expect(() => decode(keyDecoder(string()), null)).toThrow(
      'the record has no key (null): decode keys with nullable(...) to take it as null',
    )
    expect(decode(keyDecoder(nullable(string())), null)).toBeNull()
    expect(decode(keyDecoder(string()), 'k')).toBe('k')
    expect(() => decode(keyDecoder(string()), Buffer.from([0xc3]))).toThrow('the bytes are not valid UTF-8')
  })
})

describe('a decoding function', () => {
  test('is given the bytes, or null for a tombstone, and the meta data', () => {
    const decoder = decoderFromFunction((value, { topic }) => [topic, value && Buffer.from(value).toString()])
    expect(decode(decoder, 'abc')).toEqual(['t', 'abc'])
    expect(decode(decoder, null)).toEqual(['t', null])
  })
})

describe('a Standard Schema', () => {
  const schemaOf = <T>(
    validate: (value: unknown) => SchemaResult<T> | Promise<SchemaResult<T>>,
  ): StandardSchema<T> => ({ '~standard': { version: 1, vendor: 'test', validate } })
  const failing = (
    ...issues: { message: string; path?: readonly (PropertyKey | { key: PropertyKey })[] }[]
  ) => decoderFromSchema(schemaOf(() => ({ issues })))

  test('is given the parsed JSON, and the job what the schema makes of it', () => {
    const decoder = decoderFromSchema(schemaOf((value) => ({ value: { wrapped: value } })))
    expect(decode(decoder, '{"n":[1,null]}')).toEqual({ wrapped: { n: [1, null] } })
    expect(decoder.name).toBe('json, test schema')
  })

  test.each([
    ['a cut text', '{"a":', /not JSON/],
    ['a tombstone', null, /tombstone/],
    ['invalid UTF-8', Buffer.from([0x22, 0xff, 0x22]), /not valid UTF-8/],
  ])('does not see %s', (_, value, reason) => {
    const decoder = decoderFromSchema(schemaOf((seen) => ({ value: seen })))
    expect(() => decode(decoder, value)).toThrow(reason)
  })

  test.each<[string, Decoder<unknown>, string]>([
    ['its path', failing({ message: 'required', path: ['a', 'b', 0, { key: 'c' }] }), 'a.b[0].c: required'],
    ['nothing at the top', failing({ message: 'an object is needed' }), 'schema: an object is needed'],
    ['one line', failing({ message: 'two\nlines', path: ['x\ny'] }), 'x\\u{a}y: two\\u{a}lines'],
    [
      'the first of many',
      failing(...['a', 'b', 'c', 'd', 'e'].map((key) => ({ message: 'bad', path: [key] }))),
      'a: bad; b: bad; c: bad; and 2 more',
    ],
    ['no issue at all', failing(), 'does not fit the schema'],
  ])('whose issue is told with %s', (_, decoder, reason) => {
    expect(() => decode(decoder, '{}')).toThrow(reason)
  })

  test('that validates asynchronously is refused, and its rejection is nobody else’s', () => {
    const later = decoderFromSchema(schemaOf(() => Promise.reject(new Error('later'))))
    expect(() => decode(later, '{}')).toThrow(/asynchronously, but functions of a job are synchronous/)
  })

  test('is an object or a function with version 1, and nothing else', () => {
    const schema = schemaOf((value) => ({ value }))
    expect(isStandardSchema(schema)).toBe(true)
    expect(isStandardSchema(Object.assign(() => 1, schema))).toBe(true)
    for (const other of [
      null,
      undefined,
      1,
      () => 1,
      {},
      { '~standard': null },
      { '~standard': { version: 1 } },
    ])
      expect(isStandardSchema(other)).toBe(false)
    expect(isStandardSchema({ '~standard': { ...schema['~standard'], version: 2 } })).toBe(false)
  })
})
