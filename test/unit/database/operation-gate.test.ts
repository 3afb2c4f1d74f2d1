import { expect, test } from 'vitest'
import { OperationGate } from '../../../src/database/operation-gate.ts'

function gate() {
  const done: string[] = []
  const step = (name: string) => () => {
    done.push(name)
  }
  const end = {
    commit: async () => {
      done.push('commit')
      return { kind: 'committed' } as const
    },
    rollback: async () => step('rollback')(),
    destroy: step('destroy'),
    onEnd: step('ended'),
  }
  return { done, gate: new OperationGate(end) }
}

const invariantViolated = { code: 'INVARIANT_VIOLATED' }

test('an open transaction is committed once, and takes nothing more', async () => {
  const { done, gate: open } = gate()
  expect(await open.run(async () => 7)).toBe(7)
  expect(await open.commit()).toEqual({ kind: 'committed' })
  await open.rollback()
  expect(done).toEqual(['commit', 'ended'])
  await expect(open.run(async () => 8)).rejects.toMatchObject(invariantViolated)
  expect(await open.commit()).toMatchObject({ kind: 'aborted', error: invariantViolated })
})

test('after an operation that failed only a rollback is let through', async () => {
  const { done, gate: failed } = gate()
  const failure = new Error('no')
  await expect(failed.run(() => Promise.reject(failure))).rejects.toBe(failure)
  await expect(failed.run(async () => 7)).rejects.toMatchObject(invariantViolated)
  expect(await failed.commit()).toMatchObject({ kind: 'aborted', error: invariantViolated })
  expect(done).toEqual(['rollback', 'ended'])
})

test('a second operation beside the first is refused, and a rollback beside it cuts the connection', async () => {
  const { done, gate: busy } = gate()
  let settle = () => {}
  const first = busy.run(() => new Promise<void>((resolve) => (settle = resolve)))
  await expect(busy.run(async () => 7)).rejects.toMatchObject(invariantViolated)
  await busy.rollback()
  expect(done).toEqual(['destroy', 'rollback', 'ended'])
  settle()
  await first
})

test('who leaves pages early leaves their source, too', async () => {
  const { gate: open } = gate()
  let left = false
  async function* pages(): AsyncGenerator<number[], void> {
    try {
      yield [1, 2]
      yield [3]
    } finally {
      left = true
    }
  }
  for await (const item of open.runPages(pages())) if (item === 2) break
  expect(left).toBe(true)
  const all: number[] = []
  for await (const item of open.runPages(pages())) all.push(item)
  expect(all).toEqual([1, 2, 3])
})
