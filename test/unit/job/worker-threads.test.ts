import { describe, expect, test } from 'vitest'
import { executorPlanOf, workerThreads } from '../../../src/job/worker-threads.ts'

test('worker threads have every default resolved, and cannot be changed', () => {
  expect(workerThreads({ count: 2 })).toEqual({
    kind: 'workerThreads',
    count: 2,
    module: null,
    workerTimeoutMs: 30_000,
    maxHeapMb: null,
  })
  expect(Object.isFrozen(workerThreads({ count: 2 }))).toBe(true)
})

test.each([
  [import.meta.url, import.meta.url],
  [new URL('file:///srv/job.ts'), 'file:///srv/job.ts'],
  ['/srv/a job.ts', 'file:///srv/a%20job.ts'],
  [undefined, null],
])('the module %s is the URL of a file', (module, url) => {
  expect(workerThreads({ count: 1, module }).module).toBe(url)
})

describe('what cannot be worker threads is refused', () => {
  test.each([
    [{}, /count must be an integer from 1 to 64, but is undefined/],
    [{ count: 0 }, /count must be an integer from 1 to 64, but is 0/],
    [{ count: 65 }, /count must be an integer from 1 to 64, but is 65/],
    [
      { count: 2, workerTimeoutMs: 999 },
      /workerTimeoutMs must be an integer from 1000 to 2147483647, but is 999/,
    ],
    [{ count: 2, maxHeapMb: 31 }, /maxHeapMb must be an integer from 32 to 65536, but is 31/],
    [
      { count: 2, module: './job.ts' },
      /module must be the URL of the job's module.*but is the string "\.\/job\.ts"/,
    ],
    [{ count: 2, module: 'https://example.com/job.ts' }, /module must be the URL/],
    [
      { count: 2, threads: 1 },
      /there is no option threads: there are count, module, workerTimeoutMs, maxHeapMb/,
    ],
    [3, /it takes an options object, but got 3/],
  ])('%j', (options, message) => {
    expect(() => workerThreads(options as never)).toThrow(message)
  })
})

test("the option of a job is 'inline', or what workerThreads() gives, and nothing else", () => {
  expect(executorPlanOf(undefined)).toEqual({ kind: 'inline' })
  expect(executorPlanOf('inline')).toEqual({ kind: 'inline' })
  const plan = workerThreads({ count: 3 })
  expect(executorPlanOf(plan)).toEqual(plan)
  for (const wrong of ['workerThreads', 4, null, workerThreads, {}, { kind: 'inline' }]) {
    expect(executorPlanOf(wrong)).toBeNull()
  }
  expect(() => executorPlanOf({ kind: 'workerThreads', count: -1 })).toThrow(/count/)
})
