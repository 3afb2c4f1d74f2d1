import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { timestampMs } from '../../../src/aggregation/timestamp.ts'

describe('points in time', () => {
  test('every Date that ISO strings can say is read back from its string', () => {
    const ms = fc.integer({ min: -8.64e15, max: 8.64e15 })
    const modern = fc.integer({ min: Date.UTC(1900, 0), max: Date.UTC(2100, 0) })
    fc.assert(
      fc.property(fc.oneof(ms, modern), (time) => {
        expect(timestampMs(new Date(time).toISOString())).toBe(time)
      }),
      { numRuns: 1000 },
    )
  })

  test('every well-formed time agrees with Date.parse', () => {
    const two = (n: number) => String(n).padStart(2, '0')
    const parts = fc.tuple(
      fc.date({ noInvalidDate: true, min: new Date('0001-01-01'), max: new Date('9999-12-31') }),
      fc.constantFrom('', '.1', '.12', '.123'),
      fc.oneof(
        fc.constant('Z'),
        fc
          .tuple(fc.constantFrom('+', '-'), fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }))
          .map(([sign, h, m]) => `${sign}${two(h)}:${two(m)}`),
      ),
    )
    fc.assert(
      fc.property(parts, ([date, fraction, zone]) => {
        const text = `${date.toISOString().slice(0, 19)}${fraction}${zone}`
        expect(timestampMs(text)).toBe(Date.parse(text))
      }),
    )
  })

  test('all spellings of a moment are that moment', () => {
    const noon = Date.UTC(2026, 10, 22, 12)
    for (const text of [
      '2026-11-22T12:00Z',
      '2026-11-22T12:00:00Z',
      '2026-11-22T12:00:00.000Z',
      '2026-11-22T12:00:00.000999999Z',
      '2026-11-22T12:00:00,0Z',
      '2026-11-22T14:00:00+02:00',
      '2026-11-22T14:00:00+0200',
      '2026-11-22T14:00:00+02',
      '2026-11-22T06:30:00-05:30',
      '+002026-11-22T12:00:00Z',
    ]) {
      expect([text, timestampMs(text)]).toEqual([text, noon])
    }
    expect(timestampMs(new Date(noon))).toBe(noon)
    expect(timestampMs(noon + 0.75)).toBe(noon)
    expect(timestampMs('2026-11-22')).toBe(Date.UTC(2026, 10, 22))
  })

  test.each([
    ['2026-11-22T12:00:00', /neither Z nor an offset/],
    ['2026-11-22T12:00', /neither Z nor an offset/],
    ['2026-11-22 12:00:00Z', /ISO 8601/],
    ['Nov 22, 2026', /ISO 8601/],
    ['1795348800000', /ISO 8601/],
    ['', /ISO 8601/],
    ['2026-02-30T00:00:00Z', /not a time that exists/],
    ['2026-02-29', /not a time that exists/],
    ['1900-02-29', /not a time that exists/],
    ['2026-04-31', /not a time that exists/],
    ['2026-13-01', /not a time that exists/],
    ['2026-00-10', /not a time that exists/],
    ['2026-11-22T24:00:00Z', /not a time that exists/],
    ['2026-11-22T12:60:00Z', /not a time that exists/],
    ['2026-11-22T12:00:60Z', /not a time that exists/],
    ['2026-11-22T12:00:00+24:00', /not a time that exists/],
    ['+275760-09-13T00:00:00.001Z', /expected a point in time/],
    [Number.NaN, /expected a point in time/],
    [8.64e15 + 1, /expected a point in time/],
    [new Date(Number.NaN), /invalid Date/],
    [null, /got null/],
    [undefined, /got undefined/],
    [5n, /got the bigint 5n/],
  ])('%s is an error that says why', (value, reason) => {
    expect(() => timestampMs(value)).toThrow(reason)
  })

  test('29 February exists in leap years only', () => {
    expect(timestampMs('2000-02-29')).toBe(Date.UTC(2000, 1, 29))
    expect(timestampMs('2024-02-29T23:59:59Z')).toBe(Date.UTC(2024, 1, 29, 23, 59, 59))
  })
})
