import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  refuseDigitsBeyond,
  refuseExcess,
  refuseFinerMoment,
  refuseRoundedInteger,
} from '../../../src/database/exact-value.ts'

describe('numbers that JavaScript has rounded', () => {
  test.each([2 ** 53, -(2 ** 53), 2 ** 60 + 1, 1e21])('%d is refused, with what to do', (value) => {
    expect(() => refuseRoundedInteger(value)).toThrow(
      /^-?[\de+]+ is beyond 2\^53 - 1, .*give a bigint, or text; .*numbers: 'exact'/,
    )
  })

  test.each([0, 2 ** 53 - 1, -(2 ** 53 - 1), 0.5, 2n ** 60n, '9007199254740993', true, null])(
    '%s is not',
    (value) => {
      expect(() => refuseRoundedInteger(value)).not.toThrow()
    },
  )
})

describe('digits that a scale rounds away', () => {
  test.each([
    [2, '1.005'],
    [2, '-0.001'],
    [0, '1.5'],
    [2, '1e-3'],
    [2, '100.5e-2'],
    [-2, '150'],
    [-2, '0.5'],
  ])('of scale %i in %s are refused', (scale, text) => {
    expect(() => refuseDigitsBeyond(scale, text)).toThrow(/round the value in the job/)
  })

  test.each([
    [null, '1.23456789'],
    [2, '1.25'],
    [2, '1.2500'],
    [2, '1e3'],
    [2, '1.25e1'],
    [0, '7'],
    [0, '7.0'],
    [-2, '300'],
    [-2, '0'],
    [2, 'NaN'],
    [2, '-Infinity'],
    [2, 'many'],
    [2, ''],
  ])('of scale %s in %s there are none that are ours to refuse', (scale, text) => {
    expect(() => refuseDigitsBeyond(scale, text)).not.toThrow()
  })

  test('are found whatever the notation: a decimal passes exactly when scaling it gives an integer', () => {
    const decimal = fc.tuple(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), fc.nat(6), fc.nat(4))
    fc.assert(
      fc.property(decimal, ([digits, places, scale]) => {
        const fits = places <= scale || digits % 10n ** BigInt(places - scale) === 0n
        const magnitude = String(digits < 0n ? -digits : digits).padStart(places + 1, '0')
        const point = magnitude.length - places
        const plain = `${digits < 0n ? '-' : ''}${magnitude.slice(0, point)}${places > 0 ? `.${magnitude.slice(point)}` : ''}`
        for (const text of [plain, `${digits}e-${places}`]) {
          const judge = expect(() => refuseDigitsBeyond(scale, text), text)
          if (fits) judge.not.toThrow()
          else judge.toThrow(RangeError)
        }
      }),
    )
  })
})

test('a text is as long as it has characters, not code units', () => {
  expect(() => refuseExcess('\u{1d11e}\u{1f600}', 2)).not.toThrow()
  expect(() => refuseExcess('ab ', 2)).toThrow(/3 characters and the column takes 2/)
  expect(() => refuseExcess('any length', null)).not.toThrow()
})

test('a moment between the steps of its column is refused', () => {
  const moment = new Date('2026-03-29T01:30:00.250Z')
  expect(() => refuseFinerMoment(moment, { stepMs: 0.001 })).not.toThrow()
  expect(() => refuseFinerMoment(moment, { stepMs: 10 })).not.toThrow()
  expect(() => refuseFinerMoment(moment, { stepMs: 100 })).toThrow(/01:30:00.250Z has a fraction .*100 ms/)
  expect(() => refuseFinerMoment(new Date(-1000), { stepMs: 1000 })).not.toThrow()
})
