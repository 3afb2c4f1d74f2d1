import { describe, expect, test } from 'vitest'
import {
  binary,
  boolean,
  decimal,
  document,
  double,
  integer,
  isField,
  optional,
  text,
  timestamp,
} from '../../../src/fields/builders.ts'

const plain = { optional: false, path: null, maxLength: null, scale: null, precision: null }

describe('fields', () => {
  test('a field is plain, frozen data', () => {
    expect(text()).toEqual({ ...plain, kind: 'text' })
    expect(text({ maxLength: 64, path: 'customer.id' })).toEqual({
      ...plain,
      kind: 'text',
      maxLength: 64,
      path: ['customer', 'id'],
    })
    expect(decimal(2, { precision: 14 })).toEqual({ ...plain, kind: 'decimal', scale: 2, precision: 14 })
    for (const [kind, made] of Object.entries({
      integer: integer(),
      double: double(),
      boolean: boolean(),
      timestamp: timestamp(),
      binary: binary(),
      document: document(),
    })) {
      expect(made).toEqual({ ...plain, kind })
    }
    const deep = text({ path: ['customer', 'full.name'] })
    expect(deep.path).toEqual(['customer', 'full.name'])
    expect(Object.isFrozen(deep) && Object.isFrozen(deep.path) && Object.isFrozen(optional(deep))).toBe(true)
  })

  test('optional leaves its field as it is and gives another one', () => {
    const inner = decimal(2, { path: 'a.b' })
    expect(optional(inner)).toEqual({ ...inner, optional: true })
    expect(inner.optional).toBe(false)
    expect(optional(optional(inner))).toEqual(optional(inner))
  })

  test('fields are told from other things', () => {
    expect([text(), optional(document())].every(isField)).toBe(true)
    expect([null, undefined, 'text', {}, { kind: 'varchar' }, text].some(isField)).toBe(false)
  })

  test.each<[string, () => unknown, string]>([
    [
      'an unknown option',
      () => text({ maxLenght: 3 } as never),
      "text(): has no option 'maxLenght': its options are maxLength, path.",
    ],
    [
      'no options object',
      () => integer('id' as never),
      'integer(): needs an options object, but got the string "id".',
    ],
    [
      'a length of nothing',
      () => text({ maxLength: 0 }),
      "text(): 'maxLength' must be an integer from 1 to 16383, but is 0.",
    ],
    [
      'a length that is no number',
      () => text({ maxLength: '64' as never }),
      `text(): 'maxLength' must be an integer from 1 to 16383, but is the string "64".`,
    ],
    [
      'an empty path',
      () => boolean({ path: '' }),
      `boolean(): 'path' must be names separated by dots, or an array of names, but is the string "".`,
    ],
    [
      'a path with an empty name',
      () => double({ path: 'a..b' }),
      `double(): 'path' must be names separated by dots, or an array of names, but is the string "a..b".`,
    ],
    [
      'a path of nothing',
      () => timestamp({ path: [] as never }),
      "timestamp(): 'path' must be names separated by dots, or an array of names, but is an array.",
    ],
    [
      'a missing scale',
      () => decimal(undefined as never),
      'decimal(): the scale must be an integer from 0 to 30, but is undefined.',
    ],
    [
      'a scale out of range',
      () => decimal(31),
      'decimal(): the scale must be an integer from 0 to 30, but is 31.',
    ],
    [
      'a precision below the scale',
      () => decimal(4, { precision: 3 }),
      "decimal(): 'precision' must be an integer from 4 to 65, but is 3.",
    ],
    [
      'optional of no field',
      () => optional('text' as never),
      'optional() needs a field such as text(), but got the string "text".',
    ],
  ])('refuses %s', (_, make, message) => {
    expect(make).toThrow(expect.objectContaining({ code: 'CONFIGURATION_INVALID', message }))
  })
})
