import { performance } from 'node:perf_hooks'
import { expect, test } from 'vitest'
import { CommitWatch, summary } from '../../../src/demo/commit-watch.ts'

test('what is committed is where the partitions stand, over all lives', () => {
  const watch = new CommitWatch()
  watch.lifeBegan()
  watch.onClaimed({ 'orders/0': 0, 'orders/1': 0 })
  watch.onBatch(['orders/0 [0, 10)', 'orders/1 [0, 7)'])
  watch.onBatch(['orders/0 [10, 25)'])
  expect(watch).toMatchObject({ committed: 32, commitsOfLife: 2 })

  // The last commit before a kill may not have reached the log: the next life's claim knows it.
  watch.lifeBegan()
  watch.onClaimed({ 'orders/0': 25, 'orders/1': 20 })
  expect(watch).toMatchObject({ committed: 45, commitsOfLife: 0 })
})

test('a position never falls back, whatever a late line says', () => {
  const watch = new CommitWatch()
  watch.onBatch(['orders/0 [10, 25)'])
  watch.onClaimed({ 'orders/0': 10 })
  watch.onBatch(['nonsense'])
  expect(watch.committed).toBe(25)
})

test('each kill is measured to the first commit after it, and only to that', () => {
  const watch = new CommitWatch()
  watch.onBatch(['orders/0 [0, 1)'])
  expect(watch.restartsMs).toEqual([])
  watch.killed(performance.now() - 500)
  watch.killed(performance.now() - 200)
  watch.onBatch(['orders/0 [1, 2)'])
  watch.onBatch(['orders/0 [2, 3)'])
  expect(watch.restartsMs).toHaveLength(1)
  expect(watch.restartsMs[0]).toBeGreaterThanOrEqual(200)
  expect(watch.restartsMs[0]).toBeLessThan(400)
})

test('a summary is median and maximum, and nothing of nothing', () => {
  expect(summary([])).toBeNull()
  expect(summary([3])).toEqual({ median: 3, max: 3 })
  expect(summary([10, 1, 2])).toEqual({ median: 2, max: 10 })
  expect(summary([4, 1, 2, 100])).toEqual({ median: 3, max: 100 })
})
