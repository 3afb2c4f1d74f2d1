import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decimalText, scaledReader } from '../../../src/aggregation/decimal.ts'

const scales = fc.integer({ min: 0, max: 30 })

/** Reads what the reader read, as a bigint. */
const read = (value: unknown, scale: number) => BigInt(scaledReader(scale)(value))

describe('reading decimals', () => {
  test('a decimal string gives exactly its digits, whatever its form', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 60n), max: 10n ** 60n }), scales, (scaled, scale) => {
        const text = decimalText(scaled, scale)
        expect(read(text, scale)).toBe(scaled)
        expect(read(`${text}e0`, scale)).toBe(scaled)
        expect(read(scale > 0 ? `${text}000` : `${text}.000`, scale)).toBe(scaled)
      }),
    )
  })

  test('a number of up to 15 significant digits gives exactly its shortest decimal form', () => {
    const digits = fc.integer({ min: -(10 ** 15) + 1, max: 10 ** 15 - 1 })
    fc.assert(
      fc.property(digits, fc.integer({ min: 0, max: 25 }), (scaled, scale) => {
        expect(read(Number(`${scaled}e-${scale}`), scale)).toBe(BigInt(scaled))
      }),
    )
  })

  test('any finite number gives the digits of its own text, or an error', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), scales, (value, scale) => {
        let scaled: bigint
        try {
          scaled = read(value, scale)
        } catch {
          return
        }
        expect(Number(decimalText(scaled, scale))).toBe(value + 0)
      }),
    )
  })

  test('safe integers are exact although they have 16 digits', () => {
    expect(read(Number.MAX_SAFE_INTEGER, 2)).toBe(900719925474099100n)
    expect(read(-Number.MAX_SAFE_INTEGER, 0)).toBe(-9007199254740991n)
  })

  test.each([
    [19.999, 2, /more than 2 digits after the point/],
    ['1.005', 2, /more than 2 digits/],
    ['1e-3', 2, /more than 2 digits/],
    [1e-7, 2, /more than 2 digits/],
    [0.5, 0, /more than 0 digits/],
    [0.1 + 0.2, 20, /more digits than a number holds exactly/],
    [80_000_000_000_000.02, 2, /more digits than a number holds exactly/],
    [Number.NaN, 2, /got NaN/],
    [Number.POSITIVE_INFINITY, 2, /got Infinity/],
    [null, 2, /got null/],
    [undefined, 2, /got undefined/],
    [Promise.resolve(1), 2, /got a Promise/],
    ['', 2, /not a decimal/],
    ['0x10', 2, /not a decimal/],
    ['1,5', 2, /not a decimal/],
    [' 1', 2, /not a decimal/],
    ['NaN', 2, /not a decimal/],
    ['1e1001', 2, /exponent/],
    ['1'.repeat(1001), 2, /at most 1000 characters/],
  ])('%s at scale %d is an error, never a rounding', (value, scale, reason) => {
    expect(() => read(value, scale)).toThrow(reason)
  })

  test('-0 and the string -0.00 are 0', () => {
    expect(decimalText(scaledReader(2)(-0), 2)).toBe('0.00')
    expect(decimalText(scaledReader(2)('-0.00'), 2)).toBe('0.00')
  })

  test('integers become bigints beyond the safe ones, and only there', () => {
    expect(scaledReader(0)(5n)).toBe(5)
    expect(scaledReader(0)('9007199254740992')).toBe(9007199254740992n)
  })
})

describe('writing decimals', () => {
  test.each([
    [0, 0, '0'],
    [5, 3, '0.005'],
    [-5, 2, '-0.05'],
    [-1234n, 2, '-12.34'],
    [10n ** 30n, 30, `1.${'0'.repeat(30)}`],
  ])('%s at scale %d is %s', (scaled, scale, text) => {
    expect(decimalText(scaled, scale)).toBe(text)
  })
})
