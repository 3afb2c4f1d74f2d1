import { describe, expect, test } from 'vitest'
import { perPartition } from '../../../src/strategy/per-partition.ts'

describe('perPartition()', () => {
  test('says how many connections it opens besides the one for claims', () => {
    expect(perPartition()).toMatchObject({ name: 'perPartition', connections: 4 })
    expect(perPartition({ connections: 12 }).connections).toBe(12)
  })

  test.each([0, 101, 1.5, '4', null])('refuses %s connections', (connections) => {
    expect(() => perPartition({ connections: connections as number })).toThrow(
      /'connections' must be a whole number from 1 to 100, but is /,
    )
  })

  test('refuses what is no option, with the nearest that there is', () => {
    expect(() => perPartition({ conections: 4 } as object)).toThrow(/did you mean 'connections'/)
    expect(() => perPartition(4 as never)).toThrow(/takes an object such as \{ connections: 8 \}/)
  })
})
