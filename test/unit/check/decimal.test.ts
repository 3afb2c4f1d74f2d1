import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addDecimals, canonicalDecimal, roundDecimal } from '../../../src/check/decimal.ts'

test('a decimal has one canonical text', () => {
  const texts = ['-12.34', '-0012.3400', '-1.234e1', '-1234E-2', ' -12.34 ']
  expect(new Set(texts.map(canonicalDecimal))).toEqual(new Set(['-12.34']))
  expect(['0', '-0', '0.000', '.0', '-0e5'].map(canonicalDecimal)).toEqual(Array(5).fill('0'))
})

test('what is no decimal number stays as it is', () => {
  expect(['NaN', 'Infinity', '', '.', '1e999999'].map(canonicalDecimal)).toEqual([
    'NaN',
    'Infinity',
    '',
    '.',
    '1e999999',
  ])
})

test('integers in any scale add up exactly', () => {
  fc.assert(
    fc.property(fc.bigInt(), fc.bigInt(), fc.integer({ min: 0, max: 12 }), (a, b, scale) => {
      const text = (n: bigint) => `${n}e-${scale}`
      expect(addDecimals(text(a), text(b))).toBe(canonicalDecimal(text(a + b)))
    }),
  )
})

test('text that is no number adds nothing', () => {
  expect(addDecimals('1.5', 'NaN')).toBe('1.5')
  expect(addDecimals('NaN', '1.5')).toBe('1.5')
})

test('rounding is half away from zero and keeps what has fewer digits', () => {
  expect(roundDecimal('2.345', 2)).toBe('2.35')
  expect(roundDecimal('-2.345', 2)).toBe('-2.35')
  expect(roundDecimal('0.049', 1)).toBe('0.0')
  expect(roundDecimal('2.3', 2)).toBe('2.3')
})
