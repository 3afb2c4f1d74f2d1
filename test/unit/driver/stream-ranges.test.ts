import { expect, test } from 'vitest'
import { type StreamStart, streamRanges } from '../../../src/driver/stream-ranges.ts'
import type { BatchPlan } from '../../../src/executor/executor.ts'
import type { Claim } from '../../../src/model/claim.ts'

const plan: BatchPlan = { maxRecords: 100, maxWaitMs: 0, includeEmptyRanges: false, order: 'fair' }
const claimOf = (partition: number, nextOffset: bigint) => ({ topic: 't', partition, nextOffset }) as Claim
const range = (partition: number, from: bigint, until: bigint) => ({ topic: 't', partition, from, until })
const first = (partition: number, from: bigint, until: bigint) => ({
  range: range(partition, from, until),
  records: Number(until - from),
})
const seen = (partition: number, position: bigint, endOffset: bigint) => {
  return { topic: 't', partition, position, endOffset, bufferedBytes: 0, bufferedRecords: 0 }
}
/** Two partitions that are known to have 1,000 offsets each; ten records of the first one have been read. */
const start: StreamStart = {
  plan,
  first: [first(0, 0n, 10n)],
  claims: [claimOf(0, 0n), claimOf(1, 500n)],
  progress: [seen(0, 10n, 1_000n), seen(1, 500n, 1_000n)],
}

test('the records that are left are shared out over what the log is known to have', () => {
  expect(streamRanges(start)).toEqual([range(0, 0n, 55n), range(1, 500n, 545n)])
})

test('a range ends with what the log is known to have, and the others get the rest', () => {
  expect(streamRanges({ ...start, progress: [seen(0, 10n, 12n), seen(1, 500n, 1_000n)] })).toEqual([
    range(0, 0n, 12n),
    range(1, 500n, 588n),
  ])
})

test('no range goes beyond a bound of the plan', () => {
  const until = new Map([
    ['t/0', 20n],
    ['t/1', 500n],
  ])
  expect(streamRanges({ ...start, plan: { ...plan, until } })).toEqual([range(0, 0n, 20n)])
})

test('no partition gets more records than it may', () => {
  expect(streamRanges({ ...start, plan: { ...plan, maxRecordsPerPartition: 15 } })).toEqual([
    range(0, 0n, 15n),
    range(1, 500n, 515n),
  ])
})

test('a partition that is read from somewhere else than its position has no part in it', () => {
  expect(streamRanges({ ...start, progress: [seen(0, 10n, 1_000n), seen(1, 700n, 1_000n)] })).toEqual([
    range(0, 0n, 100n),
  ])
})

test('a partition of which nothing is known ends with what was read of it', () => {
  expect(streamRanges({ ...start, progress: [] })).toEqual([range(0, 0n, 10n)])
})

test.each([
  ['a batch that is looked through', { plan: { ...plan, order: 'sequential' } }],
  ['a full batch', { plan: { ...plan, maxRecords: 10 } }],
  ['a batch without records', { first: [{ range: range(0, 0n, 10n), records: 0 }] }],
] as const)('%s is its first chunk', (_, change) => {
  expect(streamRanges({ ...start, ...change })).toEqual([range(0, 0n, 10n)])
})
