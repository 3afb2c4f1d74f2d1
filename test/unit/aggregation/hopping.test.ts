import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Duration } from '../../../src/aggregation/duration.ts'
import { hopping } from '../../../src/aggregation/hopping.ts'
import { metaAt } from './meta.ts'

const startsOf = (size: Duration, every: Duration, at: string | number | Date) =>
  hopping({ size, every }, () => at)(null, metaAt()).map((start) => start.toISOString())

describe('hopping windows', () => {
  test('a record is in size / every of them, the newest first', () => {
    expect(startsOf('1 hour', '20 minutes', '2026-11-22T12:34:56Z')).toEqual([
      '2026-11-22T12:20:00.000Z',
      '2026-11-22T12:00:00.000Z',
      '2026-11-22T11:40:00.000Z',
    ])
  })

  test('a window includes its start and excludes its end', () => {
    expect(startsOf('2 minutes', '1 minute', '2026-11-22T12:00:00Z')).toEqual([
      '2026-11-22T12:00:00.000Z',
      '2026-11-22T11:59:00.000Z',
    ])
    expect(startsOf('2 minutes', '1 minute', '2026-11-22T11:59:59.999Z')).toEqual([
      '2026-11-22T11:59:00.000Z',
      '2026-11-22T11:58:00.000Z',
    ])
  })

  test('as long as their distance they are tumbling windows', () => {
    expect(startsOf('1 hour', '60 minutes', -1)).toEqual(['1969-12-31T23:00:00.000Z'])
  })

  test('every time lies in exactly those windows whose starts it has', () => {
    const settings = fc.record({
      ms: fc.integer({ min: -8e15, max: 8e15 }),
      every: fc.integer({ min: 1, max: 5_000 }),
      windows: fc.integer({ min: 1, max: 20 }),
    })
    fc.assert(
      fc.property(settings, ({ ms, every, windows }) => {
        const key = hopping({ size: `${every * windows} seconds`, every: `${every} seconds` }, () => ms)
        const starts = key(null, metaAt()).map((start) => start.getTime())
        expect(starts).toHaveLength(windows)
        for (const [i, start] of starts.entries()) {
          expect(start % key.everyMs === 0 && start <= ms && ms < start + key.windowMs).toBe(true)
          expect(i === 0 || start < (starts[i - 1] ?? start)).toBe(true)
        }
      }),
    )
  })

  test('a time that cannot be read, or whose oldest window has no Date, is an error for its record', () => {
    expect(() => startsOf('1 hour', '5 minutes', 'soon')).toThrow(/ISO 8601/)
    expect(() => startsOf('1 hour', '5 minutes', -8.64e15)).toThrow(/before the earliest Date/)
  })

  test.each<[string, string]>([
    ['1 hour', '7 minutes'],
    ['5 minutes', '1 hour'],
    ['1001 seconds', '1 second'],
  ])('a size of %s every %s is refused', (size, every) => {
    expect(() => hopping({ size, every } as never, () => 0)).toThrow(
      expect.objectContaining({
        code: 'CONFIGURATION_INVALID',
        message: expect.stringMatching(/a multiple of every, and at most 1000 times/),
      }),
    )
  })

  test('what is no duration is refused', () => {
    expect(() => hopping({ size: '1 hour' } as never, () => 0)).toThrow(/'undefined' is not a duration/)
    expect(() => hopping(undefined as never, () => 0)).toThrow(/is not a duration/)
  })
})
