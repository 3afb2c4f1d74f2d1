import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Assignment } from '../../../../src/executor/threads/assignment.ts'

const tp = (partition: number) => ({ topic: 't', partition })

test('new partitions go to the workers that have the fewest, and stay there whatever comes and goes', () => {
  const steps = fc.array(fc.record({ partition: fc.nat(20), isDropped: fc.boolean() }), { maxLength: 60 })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), steps, (workers, all) => {
      const assignment = new Assignment(workers)
      const expected = new Map<number, number>()
      for (const { partition, isDropped } of all) {
        if (isDropped) {
          expect(assignment.remove(tp(partition))).toBe(expected.get(partition) ?? null)
          expected.delete(partition)
          continue
        }
        const loads = Array.from(
          { length: workers },
          (_, w) => [...expected.values()].filter((of) => of === w).length,
        )
        const worker = assignment.assign(tp(partition))
        const known = expected.get(partition)
        if (known === undefined) expect(loads[worker]).toBe(Math.min(...loads))
        else expect(worker).toBe(known)
        expected.set(partition, worker)
      }
      const partitions = assignment.partitions().map(({ partition }) => partition)
      expect(partitions).toEqual([...expected.keys()].sort((a, b) => a - b))
      for (const [partition, worker] of expected) expect(assignment.workerOf(tp(partition))).toBe(worker)
      expect(assignment.busy()).toEqual([...new Set(expected.values())].sort((a, b) => a - b))
    }),
  )
})
