import { describe, expect, test } from 'vitest'
import { replay } from '../../../src/check/replay.ts'
import { formatRange } from '../../../src/model/offset-range.ts'
import { type Clock, systemClock } from '../../../src/runtime/clock.ts'
import { fakeLog } from './fakes.ts'

const topicIds = new Map([['orders', 'topic-id']])
const signal = new AbortController().signal

function range(partition: number, from: bigint, until: bigint) {
  return { topic: 'orders', partition, from, until, incarnation: 0 }
}

const record = (offset: number) => ({ offset, value: 'x' })

test('exactly the ranges asked for are read, several of one partition one after another', async () => {
  const { source, calls } = fakeLog([[0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(record), [record(0)]])
  const read: string[] = []
  const seen: unknown[] = []
  await replay(
    {
      source,
      ranges: [range(0, 2n, 4n), range(0, 8n, 10n), range(1, 0n, 1n)],
      topicIds,
      clock: systemClock,
      signal,
      onRange: async (fetched) => void read.push(`${formatRange(fetched.range)}: ${fetched.records}`),
    },
    async (progress) => void seen.push(progress),
  )
  expect(read).toEqual(['orders/0 [2, 4): 2', 'orders/1 [0, 1): 1', 'orders/0 [8, 10): 2'])
  expect(calls.filter((call) => call.startsWith('seek'))).toEqual([
    'seek orders/0 2',
    'seek orders/1 0',
    'seek orders/0 8',
  ])
  expect(seen.at(-1)).toEqual({ offsets: 5n, ofOffsets: 5n, records: 5 })
})

describe('negative controls', () => {
  test('a source that goes nowhere ends the replay, with what is missing', async () => {
    const { source } = fakeLog([[record(0)]], { high: 0, chunk: 0 })
    let now = 0
    const clock: Clock = { ...systemClock, monotonicMs: () => (now += 10_000) }
    const onRange = async () => {}
    const stuck = replay(
      { source, ranges: [range(0, 0n, 5n)], topicIds, clock, signal, onRange },
      async () => {},
    )
    await expect(stuck).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' })
    await expect(stuck).rejects.toThrow('orders/0 [0, 5)')
  })

  test('a source that skips offsets is not believed', async () => {
    const { source } = fakeLog([[record(0), record(1), record(2)]], { chunk: 1 })
    const skipping = Object.assign(Object.create(source) as FakeSource, { take: skippingOnce(source) })
    const onRange = async () => {}
    const replayed = replay(
      { source: skipping, ranges: [range(0, 0n, 3n)], topicIds, clock: systemClock, signal, onRange },
      async () => {},
    )
    await expect(replayed).rejects.toMatchObject({ code: 'INVARIANT_VIOLATED' })
  })
})

type FakeSource = ReturnType<typeof fakeLog>['source']

/** Drops what the second take returns. */
function skippingOnce(source: FakeSource): FakeSource['take'] {
  let takes = 0
  return async (limits, stop) => {
    takes += 1
    if (takes === 2) await source.take(limits, stop)
    return source.take(limits, stop)
  }
}
