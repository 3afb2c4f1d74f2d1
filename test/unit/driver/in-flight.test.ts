import { expect, test } from 'vitest'
import { InFlight } from '../../../src/driver/in-flight.ts'
import { Ownership } from '../../../src/driver/ownership.ts'
import type { PartitionResult } from '../../../src/executor/executor.ts'
import type { Claim } from '../../../src/model/claim.ts'
import { systemRuntime } from '../../../src/runtime/runtime.ts'
import type { ComputedBatch } from '../../../src/strategy/strategy.ts'
import { EventBus, type JobEvents } from '../../../src/telemetry/events.ts'

const tp = { topic: 't', partition: 0 }
const nothing = { kind: 'rows' as const, rows: [], metas: null }

function claimed(epoch: bigint, nextOffset: bigint): Claim {
  return {
    ...tp,
    ...{
      epoch,
      claimId: `claim ${epoch}`,
      incarnation: 0,
      nextOffset,
      seq: 0n,
      leaderEpoch: 0,
      topicId: 'id',
    },
  }
}

function computed(from: bigint, until: bigint, tasksMs = 0) {
  const result: PartitionResult = {
    ...{ range: { ...tp, from, until }, records: Number(until - from), deadLetters: [], digest: null },
    ...{ lastOffset: until - 1n, bytes: 10, leaderEpoch: 0, computeMs: 1, partials: [nothing] },
  }
  return {
    plan: { maxRecords: 10, maxWaitMs: 0, includeEmptyRanges: false, order: 'fair' as const },
    results: [result],
    ...{ startDelayMs: 0, computeMs: 0, tasksMs, computedAtMs: 0, chunks: null },
  }
}

/** Each transaction, of a partition or of a whole batch, ends when it is told to. */
function inFlight(unit: 'range' | 'batch' = 'range') {
  const ownership = new Ownership()
  const begun: string[] = []
  const waiting: (() => void)[] = []
  const own = (claim: Claim) => {
    ownership.give([tp])
    ownership.claim([claim])
    ownership.read([claim])
  }
  const commit = async ({ results }: ComputedBatch) => {
    const ranges = results.map(({ range }) => range)
    begun.push(...ranges.map(({ from, until }) => `${from}-${until}`))
    await new Promise<void>((resolve) => waiting.push(resolve))
    const phases = { advanceMs: 0, rowsMs: 0, ledgerMs: 0, commitMs: 0 }
    return { rows: 1, phases, outcomes: ranges.map((range) => ({ kind: 'committed' as const, range })) }
  }
  const deps = {
    job: { poison: { kind: 'fail' } },
    runtime: systemRuntime,
    events: new EventBus<JobEvents>(),
    executor: { progress: () => [] },
    strategy: { name: 'own', unit, commit },
    ownership,
  }
  const flight = new InFlight(deps as unknown as ConstructorParameters<typeof InFlight>[0], {
    stop: new AbortController().signal,
    onChange: () => {},
  })
  return { flight, ownership, own, begun, end: () => waiting.shift()?.() }
}

test('a range waits for the one before it, and nothing beyond it is computed', async () => {
  const { flight, ownership, own, begun, end } = inFlight()
  own(claimed(1n, 0n))
  flight.begin(computed(0n, 5n), ownership.claims())
  await expect.poll(() => begun).toEqual(['0-5'])
  flight.begin(computed(5n, 8n), ownership.claims())
  expect(flight.held()).toEqual(new Map([['t/0', 8n]]))
  end()
  await expect.poll(() => begun).toEqual(['0-5', '5-8'])
  end()
  await flight.all()
  expect(ownership.claims()).toMatchObject([{ nextOffset: 8n }])
})

test('what waits under a claim that is over makes room for what was computed under the next one', async () => {
  const { flight, ownership, own, begun, end } = inFlight()
  own(claimed(1n, 0n))
  flight.begin(computed(0n, 5n), ownership.claims())
  await expect.poll(() => begun).toEqual(['0-5'])
  flight.begin(computed(5n, 8n), ownership.claims())
  // The partition is lost and comes back, while the transaction of its first range is cut off from the database.
  own(claimed(2n, 0n))
  expect(flight.held()).toEqual(new Map())
  flight.begin(computed(0n, 3n), ownership.claims())
  expect(flight.held()).toEqual(new Map([['t/0', 3n]]))
  end()
  await expect.poll(() => begun).toEqual(['0-5', '0-3'])
  end()
  await flight.all()
  expect(ownership.claims()).toMatchObject([{ nextOffset: 3n }])
})

test.each([
  [
    'after a small batch that was all there was, the next one is taken when its commit has ended',
    9n,
    0.5,
    false,
  ],
  ['after a batch that may not have been all there was, the next one is taken at once', 10n, 0.5, true],
  ['after one that took time to compute, too', 9n, 1.5, true],
])('%s', async (_, until, tasksMs, atOnce) => {
  const { flight, ownership, own, begun, end } = inFlight('batch')
  own(claimed(1n, 0n))
  let isDue = false
  flight.begin(computed(0n, until, tasksMs), ownership.claims())
  void flight.due.then(() => {
    isDue = true
  })
  await expect.poll(() => begun).toEqual([`0-${until}`])
  expect(isDue).toBe(atOnce)
  end()
  await flight.settled()
  await expect.poll(() => isDue).toBe(true)
})

test('where ranges commit one by one, a small one does not hold up the next batch', async () => {
  const { flight, ownership, own, begun, end } = inFlight('range')
  own(claimed(1n, 0n))
  flight.begin(computed(0n, 5n), ownership.claims())
  await expect.poll(() => begun).toEqual(['0-5'])
  await flight.due
  end()
  await flight.all()
})
