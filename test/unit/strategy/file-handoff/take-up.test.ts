import { expect, test } from 'vitest'
import type { TopicPartition } from '../../../../src/model/topic-partition.ts'
import { systemRuntime } from '../../../../src/runtime/runtime.ts'
import { fileName } from '../../../../src/strategy/file-handoff/file-name.ts'
import { type TakeUpDeps, takeUp } from '../../../../src/strategy/file-handoff/take-up.ts'
import { EventBus, type JobEvents } from '../../../../src/telemetry/events.ts'

const tp = { topic: 't', partition: 0 }
/** What the stopped owner loads, after the other one in partition order. */
const heldTp = { topic: 't', partition: 1 }
const file = { ...tp, epoch: 3n, from: 0n, until: 5n, claimId: '11111111-1111-4111-8111-111111111111' }

/** Files that wait, and an owner that was stopped in the middle of loading one: it holds its position, and rows of both. */
function stoppedOwner() {
  const happened: string[] = []
  let release = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const watcher = {
    endBlockers: () => {
      happened.push('ended')
      release()
      return Promise.resolve([
        { backend: { id: 1, startedAt: '' }, application: 'oncesink:stopped', ended: true },
      ])
    },
  }
  const trx = {
    readPositions: () => Promise.resolve([tp, heldTp].map((each) => ({ ...each, claimId: file.claimId }))),
    lockPositions: (_: string, partitions: readonly TopicPartition[]) =>
      partitions.some(({ partition }) => partition === heldTp.partition)
        ? held.then(() => [])
        : Promise.resolve([]),
    rollback: () => Promise.resolve(),
  }
  const deps = {
    session: {
      job: 'job',
      runtime: systemRuntime,
      connection: () => Promise.resolve({ begin: () => Promise.resolve(trx), backend: {} }),
      beside: (work: (connection: unknown) => Promise<unknown>) => work(watcher),
    },
    events: new EventBus<JobEvents>(),
    store: { list: () => Promise.resolve([fileName(file, 'handoff')]) },
    loader: {
      tryOnce: async () => {
        await held
        happened.push('loaded')
        return { kind: 'done' }
      },
    },
  } as unknown as TakeUpDeps
  return { deps, happened }
}

test('whoever was stopped while it loaded a file is ended before its successor loads any', async () => {
  const { deps, happened } = stoppedOwner()
  await takeUp(deps, [tp, heldTp])
  expect(happened).toEqual(['ended', 'loaded', 'loaded'])
})

test('who was replaced leaves its successor and the files of its successor alone', async () => {
  const { deps, happened } = stoppedOwner()
  const claimId = '22222222-2222-4222-8222-222222222222'
  const own = { claimId, epoch: 2n, nextOffset: 0n, seq: 0n, incarnation: 0, leaderEpoch: -1, topicId: '' }
  await takeUp(
    deps,
    [tp, heldTp],
    [tp, heldTp].map((each) => ({ ...own, ...each })),
  )
  expect(happened).toEqual([])
})
