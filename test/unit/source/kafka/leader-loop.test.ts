import { describe, expect, onTestFinished, test } from 'vitest'
import { OncesinkError } from '../../../../src/errors.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { LeaderLoop } from '../../../../src/source/kafka/leader-loop.ts'
import { ErrorCode } from '../../../../src/source/kafka/protocol/error-codes.ts'
import { eventually } from '../../../support/eventually.ts'
import { type AskedFetch, type FakeLeader, fakeLeader, recordsAt } from '../../../support/fake-leader.ts'

function start(fake: FakeLeader): LeaderLoop {
  const loop = new LeaderLoop(1, fake.reader)
  const running = loop.run()
  onTestFinished(async () => {
    fake.reader.close()
    await running
  })
  return loop
}

/** The next fetch that was sent. */
function next({ fetches }: FakeLeader): Promise<AskedFetch> {
  return eventually(() => fetches.shift(), 5000)
}

/** Lets everything that is due happen. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await systemClock.yield()
}

const asked = (fetch: AskedFetch) =>
  fetch.partitions.map(({ partition, fetchOffset }) => [partition, fetchOffset])

describe('LeaderLoop', () => {
  test('fetches go on where the previous one ended, with the leader epoch, and wait at the broker', async () => {
    const fake = fakeLeader()
    fake.partition(0, 10)
    start(fake)
    const first = await next(fake)
    expect(first).toMatchObject({ lane: 'waiting', maxWaitMs: 500 })
    expect(first.partitions).toMatchObject([{ partition: 0, fetchOffset: 10, leaderEpoch: 5 }])
    first.answer([recordsAt(10, 5)])
    expect(asked(await next(fake))).toEqual([[0, 15]])
  })

  test('a partition that is sought while a fetch waits is fetched at once, and once only when it has nothing', async () => {
    const fake = fakeLeader()
    fake.partition(0)
    const loop = start(fake)
    const waiting = await next(fake)
    fake.partition(1)
    loop.wake()
    const express = await next(fake)
    expect(express).toMatchObject({ lane: 'express', maxWaitMs: 0 })
    expect(asked(express)).toEqual([[1, 0]])
    express.answer([{ partition: 1, ...recordsAt(0, 2) }])
    const again = await next(fake)
    expect([again.lane, asked(again)]).toEqual(['express', [[1, 2]]])
    again.answer([{ partition: 1 }])
    loop.wake()
    await settle()
    expect(fake.fetches).toEqual([])
    waiting.answer([{ partition: 0 }])
    expect(asked(await next(fake)).sort()).toEqual([
      [0, 0],
      [1, 2],
    ])
  })

  test('beyond the budget is fetched only while somebody waits for records, and of one partition at a time', async () => {
    const kibibyte = 1024
    const fake = fakeLeader({}, 128 * kibibyte)
    const partitions = [0, 1, 2, 3].map((partition) => fake.partition(partition))
    for (const [i, partition] of partitions.entries()) {
      partition.servedAt = i
      partition.batchBytes = 60 * kibibyte
    }
    const loop = start(fake)
    const first = await next(fake)
    expect(first.partitions.map(({ partition, maxBytes }) => [partition, maxBytes])).toEqual([
      [0, 60 * kibibyte],
      [1, 60 * kibibyte],
    ])
    loop.wake()
    await settle()
    expect(fake.fetches).toEqual([])
    fake.reader.isAwaited = true
    loop.wake()
    const beyond = await next(fake)
    expect([beyond.lane, asked(beyond)]).toEqual(['express', [[2, 0]]])
    beyond.answer([{ partition: 2, ...recordsAt(0) }])
    await eventually(() => partitions[2]?.buffer.fetchedUntil === 1)
    expect(partitions[2]?.batchBytes).toBe(partitions[2]?.buffer.bytes)
    expect(asked(await next(fake))).toEqual([[3, 0]])
  })

  test('a batch that did not come, though there was room for what was asked, is taken for a larger one', async () => {
    const fake = fakeLeader({ fetch: { maxBytesPerPartition: 40_000, maxBytes: 60_000 } })
    const partition = fake.partition(0)
    start(fake)
    const end = { highWatermark: 9n, lastStableOffset: 9n }
    ;(await next(fake)).answer([{ ...end }])
    const second = await next(fake)
    expect([partition.atEnd, partition.batchBytes]).toEqual([false, 80_000])
    partition.batchBytes = 0
    second.answer([{ ...end }], 0, 20_001)
    const third = await next(fake)
    expect([partition.atEnd, partition.batchBytes]).toEqual([false, 0])
    third.answer([{}])
    await next(fake)
    expect([partition.atEnd, partition.batchBytes]).toEqual([true, 0])
  })

  test('an answer to a fetch from before a seek, or a change of leader, is refused', async () => {
    const fake = fakeLeader()
    const moved = fake.partition(0)
    const sought = fake.partition(1)
    start(fake)
    const fetch = await next(fake)
    moved.supersede(fake.reader.nextSeekCounter())
    sought.state = 'dropped'
    const again = fake.partition(1)
    fetch.answer([recordsAt(0), { partition: 1, ...recordsAt(0) }])
    await settle()
    expect([moved, sought, again].map(({ buffer }) => buffer.fetchedUntil)).toEqual([0, 0, 0])
    // It is read on, but from where the check will allow it.
    moved.state = 'reading'
    expect(asked(await next(fake))).toEqual([[1, 0]])
  })

  test('a partition that was given a new leader epoch does not wait for the answer of the old one', async () => {
    const fake = fakeLeader()
    const partition = fake.partition(0)
    const loop = start(fake)
    const old = await next(fake)
    partition.supersede(fake.reader.nextSeekCounter())
    partition.leaderEpoch = 6
    partition.state = 'reading'
    loop.wake()
    const express = await next(fake)
    expect(express.partitions).toMatchObject([{ fetchOffset: 0, leaderEpoch: 6 }])
    old.answer([recordsAt(0, 3)])
    await settle()
    expect(partition.buffer.fetchedUntil).toBe(0)
    express.answer([recordsAt(0, 2)])
    await eventually(() => partition.buffer.fetchedUntil === 2)
    const third = await next(fake)
    fake.reader.close()
    third.fail(new Error('closed'))
    await settle()
    // What the old fetch had reserved is given back once, not twice.
    expect(partition.claimedBytes).toBe(partition.buffer.bytes)
  })

  test('a partition without records goes back to the waiting lane, also when that had nothing left to wait for', async () => {
    const fake = fakeLeader()
    const partition = fake.partition(0)
    const loop = start(fake)
    const old = await next(fake)
    partition.supersede(fake.reader.nextSeekCounter())
    partition.state = 'reading'
    loop.wake()
    const express = await next(fake)
    old.answer([{}])
    await settle()
    express.answer([{}])
    expect(await next(fake)).toMatchObject({
      lane: 'waiting',
      partitions: [{ partition: 0, fetchOffset: 0 }],
    })
  })

  test('a partition whose buffer is full is left out until it was drained, while others are waited for', async () => {
    const fake = fakeLeader({ fetch: { maxBytesPerPartition: 1024 } }, 3000)
    const full = fake.partition(0)
    fake.partition(1)
    const loop = start(fake)
    for (let offset = 0; ; offset += 10) {
      const fetch = await next(fake)
      if (fetch.partitions.every(({ partition }) => partition !== 0)) break
      fetch.answer([recordsAt(offset, 10), { partition: 1 }])
    }
    const { position } = full.buffer
    while (full.buffer.decodeNext(1000, Number.MAX_SAFE_INTEGER));
    full.buffer.take(1000, Number.MAX_SAFE_INTEGER, false)
    expect(full.buffer.position).toBeGreaterThan(position)
    loop.wake()
    const express = await next(fake)
    expect([express.lane, asked(express)]).toEqual(['express', [[0, full.buffer.fetchedUntil]]])
  })

  test('a partition whose next record batch did not fit goes first in the next fetch', async () => {
    const fake = fakeLeader()
    fake.partition(0)
    fake.partition(1)
    start(fake)
    const { recordBatches } = recordsAt(0)
    const first = await next(fake)
    first.answer([recordsAt(0), { partition: 1, recordBatches: recordBatches.subarray(0, 30) }])
    expect(asked(await next(fake))).toEqual([
      [1, 0],
      [0, 1],
    ])
  })

  test('a node that fails is reported once, and fetched from again when it is resumed', async () => {
    const fake = fakeLeader()
    fake.partition(0)
    const loop = start(fake)
    const first = await next(fake)
    first.fail(new OncesinkError('SOURCE_UNAVAILABLE', 'gone'))
    await eventually(() => fake.reader.troubles.unhandled)
    loop.wake()
    await settle()
    expect(fake.fetches).toEqual([])
    loop.resume()
    expect(asked(await next(fake))).toEqual([[0, 0]])
  })

  test('after every failure half as much is asked for at once, and twice as much again after every answer', async () => {
    const fake = fakeLeader({ fetch: { maxBytes: 40_000, maxBytesPerPartition: 10_000 } })
    fake.partition(0)
    fake.partition(1)
    const loop = start(fake)
    const sizes: number[] = []
    const fetch = async () => {
      const asks = await next(fake)
      sizes.push(asks.maxBytes)
      return asks
    }
    for (let i = 0; i < 6; i++) {
      const failing = await fetch()
      failing.fail(new OncesinkError('SOURCE_UNAVAILABLE', 'cut'))
      await eventually(() => fake.reader.troubles.unhandled)
      fake.reader.troubles.nextDelayMs()
      loop.resume()
    }
    // Of two partitions of 10,000 bytes no more than 20,000 could have come.
    expect(sizes.splice(0)).toEqual([40_000, 10_000, 5_000, 2_500, 1_250, 1_024])
    for (let i = 0; i < 7; i++) (await fetch()).answer([recordsAt(i)])
    expect(sizes).toEqual([1_024, 2_048, 4_096, 8_192, 16_384, 32_768, 40_000])
  })

  test('an answer that is an error as a whole is the failure of the node, not asked for again at once', async () => {
    const fake = fakeLeader()
    fake.partition(0)
    start(fake)
    const first = await next(fake)
    first.answer([], -1)
    await eventually(() => fake.reader.troubles.unhandled)
    await settle()
    expect(fake.fetches).toEqual([])
  })

  test('a passing error of a partition takes only it out of the fetches', async () => {
    const fake = fakeLeader()
    const partition = fake.partition(0)
    fake.partition(1)
    start(fake)
    const first = await next(fake)
    first.answer([{ errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER }, { partition: 1 }])
    expect(asked(await next(fake))).toEqual([[1, 0]])
    expect([partition.state, fake.reader.troubles.unhandled]).toEqual(['checking', true])
  })

  test.each([
    [ErrorCode.TOPIC_AUTHORIZATION_FAILED, 'SOURCE_REFUSED'],
    [ErrorCode.CORRUPT_MESSAGE, 'RECORD_BATCH_CORRUPT'],
  ])('error %i of a partition ends the reading', async (errorCode, code) => {
    const fake = fakeLeader()
    fake.partition(0)
    start(fake)
    const first = await next(fake)
    first.answer([{ errorCode }])
    await eventually(() => [...fake.reader.partitions.values()].every(({ state }) => state === 'failed'))
    expect(() => fake.reader.throwStopError()).toThrow(expect.objectContaining({ code }))
  })

  test('an answer that lies before the position entirely ends the reading instead of being asked for for ever', async () => {
    const fake = fakeLeader()
    fake.partition(0, 10)
    start(fake)
    const first = await next(fake)
    first.answer([recordsAt(3, 2)])
    await eventually(() => [...fake.reader.partitions.values()].every(({ state }) => state === 'failed'))
    expect(() => fake.reader.throwStopError()).toThrow(/lies before 10/)
  })
})
