import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeVarint, VarintCursor } from '../../../src/source/varint.ts'
import { encodeVarlong } from '../../support/record-batches.ts'

describe('VarintCursor', () => {
  test('reads back every 32-bit integer that was written, and stands after it', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), (numbers) => {
        const bytes = Buffer.concat(numbers.map(encodeVarint))
        const cursor = new VarintCursor(bytes)
        expect(numbers.map(() => cursor.int32())).toEqual(numbers)
        expect(cursor.position).toBe(bytes.length)
      }),
    )
  })

  test('reads back every safe integer that was written as a 64-bit varint', () => {
    const safe = fc.oneof(
      fc.maxSafeInteger(),
      fc.integer(),
      fc.constantFrom(2 ** 31, -(2 ** 31) - 1, 2 ** 52),
    )
    fc.assert(
      fc.property(fc.array(safe), (numbers) => {
        const bytes = Buffer.concat(numbers.map(encodeVarlong))
        const cursor = new VarintCursor(bytes)
        for (const number of numbers) expect(cursor.int64() === number).toBe(true)
        expect(cursor.position).toBe(bytes.length)
      }),
    )
  })

  test('ends at bytes that go on for ever instead of reading on', () => {
    const endless = Buffer.alloc(64, 0xff)
    const cursor = new VarintCursor(endless)
    cursor.int32()
    expect(cursor.position).toBe(5)
    cursor.int64()
    expect(cursor.position).toBe(15)
  })
})
