import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { durationMs } from '../../../src/aggregation/duration.ts'
import { tumbling } from '../../../src/aggregation/tumbling.ts'
import { metaAt } from './meta.ts'

const startOf = (length: Parameters<typeof tumbling>[0], at: string | number | Date) =>
  tumbling(length, () => at)(null, metaAt()).toISOString()

describe('tumbling windows', () => {
  test('a window includes its start and excludes its end', () => {
    expect(startOf('1 minute', '2026-11-22T12:34:00Z')).toBe('2026-11-22T12:34:00.000Z')
    expect(startOf('1 minute', '2026-11-22T12:34:59.999Z')).toBe('2026-11-22T12:34:00.000Z')
    expect(startOf('1 minute', '2026-11-22T12:35:00Z')).toBe('2026-11-22T12:35:00.000Z')
  })

  test('windows are aligned to UTC, whatever offset a time is written with', () => {
    expect(startOf('1 day', '2026-11-22T01:00:00+02:00')).toBe('2026-11-21T00:00:00.000Z')
    expect(startOf('6 hours', '2026-11-22')).toBe('2026-11-22T00:00:00.000Z')
  })

  test('times before 1970 fall into the window that holds them, never the next one', () => {
    expect(startOf('1 minute', '1969-12-31T23:59:59.999Z')).toBe('1969-12-31T23:59:00.000Z')
    expect(startOf('1 hour', -1)).toBe('1969-12-31T23:00:00.000Z')
    expect(startOf('1 hour', -3_600_000)).toBe('1969-12-31T23:00:00.000Z')
  })

  test('every time lies in its window', () => {
    const time = fc.integer({ min: -8e15, max: 8e15 })
    fc.assert(
      fc.property(time, fc.integer({ min: 1, max: 100_000 }), (ms, seconds) => {
        const windowed = tumbling(`${seconds} seconds`, () => ms)
        const start = windowed(null, metaAt()).getTime()
        expect(start % windowed.windowMs === 0 && start <= ms && ms < start + windowed.windowMs).toBe(true)
      }),
    )
  })

  test('a time that cannot be read is an error for its record and leaves the next one alone', () => {
    const windowed = tumbling('1 minute', (at: string) => at)
    expect(windowed('2026-11-22T12:34:10Z', metaAt()).getUTCMinutes()).toBe(34)
    expect(() => windowed('soon', metaAt())).toThrow(/ISO 8601/)
    expect(() => windowed('2026-11-22T12:35:10', metaAt())).toThrow(/neither Z nor an offset/)
    expect(windowed('2026-11-22T12:34:10Z', metaAt()).getUTCMinutes()).toBe(34)
    expect(windowed('2026-11-22T12:35:10Z', metaAt()).getUTCMinutes()).toBe(35)
  })

  test('the Date of one record does not change with the next one', () => {
    const windowed = tumbling('1 minute', (at: string) => at)
    const first = windowed('2026-11-22T12:34:10Z', metaAt())
    windowed('2026-11-22T12:34:10Z', metaAt()).setTime(0)
    expect(first.getUTCMinutes()).toBe(34)
    expect(windowed('2026-11-22T12:34:10Z', metaAt()).getUTCMinutes()).toBe(34)
  })
})

describe('durations', () => {
  test.each([
    ['250 milliseconds', 250],
    ['5 seconds', 5_000],
    ['1 second', 1_000],
    ['1 minute', 60_000],
    ['15 minutes', 900_000],
    ['1 hour', 3_600_000],
    ['36600 days', 3_162_240_000_000],
  ])('%s is %d ms', (text, ms) => expect(durationMs(text)).toBe(ms))

  test.each([
    '',
    '1',
    'minute',
    '0 seconds',
    '-1 seconds',
    '1.5 hours',
    '01 hours',
    '1  day',
    '1m',
    '1 week',
    '36601 days',
    '1 constructor',
  ])("'%s' is refused with an example of what to write", (text) =>
    expect(() => durationMs(text)).toThrow(/'1 minute'/),
  )
})
