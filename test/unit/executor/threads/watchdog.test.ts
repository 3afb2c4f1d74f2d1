import { expect, test } from 'vitest'
import { Vitals } from '../../../../src/executor/threads/vitals.ts'
import { Watchdog } from '../../../../src/executor/threads/watchdog.ts'

/** Looks every 100 ms of a second; `live` makes workers give signs of life before each look. */
function watching(count: number, isReady = true) {
  const vitals = Array.from({ length: count }, () => {
    const one = new Vitals()
    if (isReady) one.ready()
    return one
  })
  const watchdog = new Watchdog(1_000, 5_000, vitals)
  let now = 0
  return {
    vitals,
    passing(ms: number, live: () => void = () => {}): number | null {
      for (let passed = 0; passed < ms; passed += 100) {
        now += 100
        live()
        const silent = watchdog.look(now)
        if (silent !== null) return silent
      }
      return null
    },
    jump(ms: number): number | null {
      now += ms
      return watchdog.look(now)
    },
  }
}

test('a worker that gives no sign of life is noticed when the time is over, and not before', () => {
  const { vitals, passing } = watching(3)
  const others = () => {
    vitals[0]?.beat()
    vitals[2]?.beat()
  }
  expect(passing(1_000, others)).toBeNull()
  expect(passing(100, others)).toBe(1)
})

test('a worker whose event loop stands still is alive while it goes from record to record', () => {
  const { vitals, passing } = watching(1)
  let offset = 0
  expect(passing(5_000, () => vitals[0]?.atRecord(offset++))).toBeNull()
  expect(vitals[0]?.look()).toEqual({ beats: 0, isReady: true, offset: offset - 1 })
  expect(passing(1_100)).toBe(0)
})

test('what it has shared is seen on the other side of the memory', () => {
  const vitals = new Vitals()
  const other = new Vitals(vitals.memory)
  other.beat()
  other.atRecord(2 ** 52)
  other.ready()
  expect(vitals.look()).toEqual({ beats: 1, isReady: true, offset: 2 ** 52 })
})

test('a worker may take longer to load the job than to be silent later', () => {
  const { vitals, passing } = watching(1, false)
  expect(passing(4_900)).toBeNull()
  vitals[0]?.ready()
  vitals[0]?.beat()
  expect(passing(1_000)).toBeNull()
  expect(passing(100)).toBe(0)
  expect(watching(1, false).passing(5_100)).toBe(0)
})

test('time in which this process was stopped itself does not count', () => {
  const { vitals, passing, jump } = watching(1)
  expect(passing(500, () => vitals[0]?.beat())).toBeNull()
  expect(jump(3_600_000)).toBeNull()
  expect(passing(500)).toBeNull()
  expect(passing(500, () => vitals[0]?.beat())).toBeNull()
})
