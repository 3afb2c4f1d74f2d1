import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { LeaderLoop } from '../../../../src/source/kafka/leader-loop.ts'
import type { ReadPartition } from '../../../../src/source/kafka/read-partition.ts'
import { type AskedFetch, type FakeLeader, fakeLeader } from '../../../support/fake-leader.ts'
import { encodeBatch } from '../../../support/record-batches.ts'

const kibibyte = 1024

function start(fake: FakeLeader, nodeId = 1): LeaderLoop {
  const loop = new LeaderLoop(nodeId, fake.reader)
  const running = loop.run()
  onTestFinished(async () => {
    fake.reader.close()
    await running
  })
  return loop
}

/** Lets everything that is due happen. */
async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await systemClock.yield()
}

/** Answers as Kafka does, of logs without an end, whose record batches are one record each of so many bytes. */
function answerOf(sizes: readonly number[]): (fetch: AskedFetch) => void {
  const values = sizes.map((size) => 'v'.repeat(size))
  return ({ partitions, maxBytes: most, answer }) => {
    let left = most
    const parts = partitions.map(({ partition, fetchOffset, maxBytes }) => {
      const value = values[partition] ?? ''
      const batch = (offset: number) => encodeBatch({ records: [{ offset, value }], leaderEpoch: 5 })
      const size = batch(fetchOffset).length
      const fitting = Math.floor(Math.min(maxBytes, left) / size)
      // The first batch of an answer is sent whole.
      const count = left === most ? Math.max(fitting, 1) : Math.max(fitting, 0)
      left -= count * size
      const recordBatches = Buffer.concat(Array.from({ length: count }, (_, i) => batch(fetchOffset + i)))
      return { partition, recordBatches, highWatermark: 1_000_000n, lastStableOffset: 1_000_000n }
    })
    answer(parts, 0, most - left + 100)
  }
}

/** Takes so many bytes, of all partitions in turn. */
function takerOf(partitions: readonly ReadPartition[]): (bytes: number) => void {
  let turn = 0
  return (bytes) => {
    let taken = 0
    for (let misses = 0; misses < partitions.length && taken < bytes; turn++) {
      const { buffer } = partitions[turn % partitions.length] as ReadPartition
      while (buffer.decodeNext(1, Number.MAX_SAFE_INTEGER));
      const range = buffer.take(1, Number.MAX_SAFE_INTEGER, false)
      taken += range?.bytes ?? 0
      misses = range === null ? misses + 1 : 0
    }
  }
}

test('a partition whose batches are large is served, though others take what is free before it is enough for one', async () => {
  const limits = { maxBytesPerPartition: 200 * kibibyte, maxBytes: 1024 * kibibyte }
  const fake = fakeLeader({ fetch: limits }, 512 * kibibyte)
  const sizes = [...Array.from({ length: 8 }, () => 8 * kibibyte), 150 * kibibyte]
  const partitions = sizes.map((_, partition) => fake.partition(partition))
  const [answer, take] = [answerOf(sizes), takerOf(partitions)]
  const loop = start(fake)
  for (let round = 0; round < 120; round++) {
    await settle()
    for (const fetch of fake.fetches.splice(0)) answer(fetch)
    await settle()
    // Nobody ever waits for records: they are taken more slowly than they come.
    take(40 * kibibyte)
    loop.wake()
  }
  // The first two came while memory was empty.
  expect(partitions.at(-1)?.buffer.position).toBeGreaterThan(4)
  expect(Math.min(...partitions.slice(0, -1).map(({ buffer }) => buffer.position))).toBeGreaterThan(50)
})

test('a partition that comes from a leader that has answered more often takes its turn at the new one', async () => {
  const fake = fakeLeader({ fetch: { maxBytesPerPartition: 64 * kibibyte } }, 64 * kibibyte)
  const sizes = [0, 1, 2, 3].map(() => 60 * kibibyte)
  const partitions = sizes.map((_, partition) => fake.partition(partition))
  const [answer, take] = [answerOf(sizes), takerOf(partitions)]
  const moving = partitions[0] as ReadPartition
  moving.leader = 2
  const serve = async (loop: LeaderLoop, rounds: number) => {
    for (let round = 0; round < rounds; round++) {
      await settle()
      for (const fetch of fake.fetches.splice(0)) answer(fetch)
      await settle()
      take(Number.MAX_SAFE_INTEGER)
      loop.wake()
    }
  }
  await serve(start(fake, 2), 100)
  const before = moving.buffer.position
  expect(before).toBeGreaterThan(30)
  moving.supersede(fake.reader.nextSeekCounter())
  moving.leader = 1
  moving.state = 'reading'
  await serve(start(fake, 1), 20)
  expect(moving.buffer.position).toBeGreaterThan(before + 1)
})
