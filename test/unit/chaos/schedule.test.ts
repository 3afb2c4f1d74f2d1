import { describe, expect, test } from 'vitest'
import type { Nemesis, Realm } from '../../../src/chaos/nemesis.ts'
import { Schedule } from '../../../src/chaos/schedule.ts'

const nemesis = (name: string, realm: Realm): Nemesis => ({
  name,
  title: name,
  realm,
  inject: async () => {},
})
const all = [
  nemesis('a', 'process'),
  nemesis('b', 'process'),
  nemesis('c', 'network'),
  nemesis('d', 'database'),
]
const idle: ReadonlySet<Realm> = new Set()
const drawn = (seed: number, count: number) => {
  const schedule = new Schedule(all, seed)
  return Array.from({ length: count }, () => schedule.next(idle)?.name).join('')
}

describe('a schedule', () => {
  test('is the same for the same seed, and another one for others', () => {
    expect(drawn(7, 40)).toBe(drawn(7, 40))
    expect(new Set([1, 2, 3, 4, 5].map((seed) => drawn(seed, 40))).size).toBe(5)
  })

  test('has every nemesis once before any comes again', () => {
    for (let round = 0; round < 10; round++) {
      const part = drawn(3, 40).slice(round * 4, round * 4 + 4)
      expect([...part].sort().join('')).toBe('abcd')
    }
  })

  test('never gives one whose realm is being harmed', () => {
    const schedule = new Schedule(all, 1)
    const busy = new Set<Realm>(['process', 'database'])
    expect(schedule.next(busy)?.name).toBe('c')
    // What is left of the bag harms what is harmed already: it waits, instead of being passed over.
    expect(schedule.next(busy)).toBeNull()
    expect(['a', 'b', 'd']).toContain(schedule.next(idle)?.name)
  })

  test('gives each injection a chance of its own', () => {
    const [one, two] = [new Schedule(all, 9), new Schedule(all, 9)]
    const first = one.chance()
    for (let draws = 0; draws < 5; draws++) first.fraction()
    two.chance()
    expect(one.chance().fraction()).toBe(two.chance().fraction())
  })
})
