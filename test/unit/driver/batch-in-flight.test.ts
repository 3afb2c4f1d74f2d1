import { expect, test } from 'vitest'
import { type CommitDeps, commitAndAcknowledge } from '../../../src/driver/batch-in-flight.ts'
import { Ownership } from '../../../src/driver/ownership.ts'
import type { PartitionResult } from '../../../src/executor/executor.ts'
import { systemRuntime } from '../../../src/runtime/runtime.ts'
import type { ComputedBatch } from '../../../src/strategy/strategy.ts'
import { EventBus, type JobEvents } from '../../../src/telemetry/events.ts'

const phases = { advanceMs: 0, rowsMs: 0, ledgerMs: 0, commitMs: 0 }

/** Two partitions of which a strategy commits the second one, and tells so by ranges of its own making. */
async function committed() {
  const ownership = new Ownership()
  const claims = [0, 1].map((partition) => ({
    ...{ topic: 't', partition, epoch: 1n, claimId: 'mine', incarnation: 0 },
    ...{ nextOffset: 0n, seq: 0n, leaderEpoch: 0, topicId: 'id' },
  }))
  ownership.give(claims)
  ownership.claim(claims)
  ownership.read(claims)
  const results = [0, 1].map(
    (partition): PartitionResult => ({
      ...{ range: { topic: 't', partition, from: 0n, until: 5n }, records: 5, deadLetters: [], digest: null },
      ...{ lastOffset: 4n, bytes: 10, leaderEpoch: 0, computeMs: 1, partials: [] },
    }),
  )
  const events = new EventBus<JobEvents>()
  const heard: JobEvents['batch'][] = []
  events.on('batch', (batch) => void heard.push(batch))
  const error = new Error('not this one')
  const commit = ({ results: given }: ComputedBatch) =>
    Promise.resolve({
      ...{ rows: 5, phases },
      outcomes: given.map(({ range }, i) =>
        i === 1
          ? { kind: 'committed' as const, range: { ...range } }
          : { kind: 'aborted' as const, range: { ...range }, error },
      ),
    })
  const deps = {
    job: { poison: { kind: 'fail' } },
    runtime: systemRuntime,
    ...{ events, ownership },
    executor: { progress: () => [] },
    strategy: { name: 'own', unit: 'batch', commit },
  } as unknown as CommitDeps
  const end = await commitAndAcknowledge(deps, {
    ...{ plan: { maxRecords: 10, maxWaitMs: 0, includeEmptyRanges: false, order: 'fair' }, results },
    ...{ startDelayMs: 0, computeMs: 0, tasksMs: 0, computedAtMs: 0, chunks: null },
  })
  return { end, ownership, heard }
}

test('what a strategy reports by ranges that it has made anew is acknowledged', async () => {
  const { end, ownership, heard } = await committed()
  expect(ownership.claims().map(({ nextOffset }) => nextOffset)).toEqual([0n, 5n])
  expect(heard).toMatchObject([{ records: 5, bytes: 10, ranges: [{ partition: 1 }] }])
  expect(end.failures).toMatchObject([{ kind: 'aborted', range: { partition: 0 } }])
})
