import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Collector, never, openSource, positionsAt, takeRecords } from '../support/kafka-reading.ts'
import { createTopic, produce } from '../support/kafka-service.ts'

/** Records whose values are their offsets. */
const numbered = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => ({ partition: 0, value: String(from + i) }))

const limits = { maxRecords: 10_000, maxWaitMs: 0, includeEmptyRanges: false, order: 'fair' } as const

test('the answer to a fetch that waited at the broker during a seek is dropped', async () => {
  const topic = await createTopic('held_fetch')
  // Batches of which a fetch brings one: reading everything takes a while.
  const batches = 60
  const perBatch = 20
  for (let n = 0; n < batches; n++) await produce(topic, numbered(n * perBatch, perBatch))
  const { source } = await openSource([topic], { fetch: { maxWaitMs: 2_000, maxBytesPerPartition: 1_024 } })
  const [position] = await positionsAt(source, 0n)
  if (position === undefined) throw new Error('no partition')
  for (let round = 0; round < 4; round++) {
    const end = batches * perBatch + round
    await source.seek([{ ...position, nextOffset: BigInt(end) }])
    // Nothing is there: the fetch from the end is held by the broker.
    expect(await source.take({ ...limits, maxWaitMs: 100 }, never)).toEqual([])
    await source.seek([{ ...position, nextOffset: 0n }])
    // The broker answers the fetch that it holds with this, which is far from what is read next.
    await produce(topic, numbered(end, 1))
    const { records } = await takeRecords(source, end + 1)
    expect(records.map(({ offset }) => offset)).toEqual(Array.from({ length: end + 1 }, (_, i) => i))
    expect(records.map(({ value }) => value)).toEqual(records.map(({ offset }) => String(offset)))
  }
})

test('seeking back and forth while records pour in never gives an offset twice, or one out of order', async () => {
  const topic = await createTopic('back_and_forth')
  let produced = 3_000
  await produce(topic, numbered(0, produced))
  const { source } = await openSource([topic], { fetch: { maxBytesPerPartition: 4_096 } })
  const [position] = await positionsAt(source, 0n)
  if (position === undefined) throw new Error('no partition')
  let pouring = true
  const pour = (async () => {
    while (pouring) {
      await sleep(produced % 30)
      await produce(topic, numbered(produced, 7))
      produced += 7
    }
  })()
  try {
    for (let round = 0; round < 150; round++) {
      // At the end of the log, so that a fetch is held by the broker, or anywhere before it.
      const from = round % 2 === 0 ? produced : (round * 7_919) % produced
      await source.seek([{ ...position, nextOffset: BigInt(from) }])
      // Some rounds end at once, with fetches under way; some take a while, with much that was fetched ahead.
      if (round % 3 === 0) await sleep(round % 7)
      // Throws where a range does not begin where the previous one ended.
      const taken = new Collector()
      for (let n = 0; n < round % 5; n++) {
        taken.add(await source.take({ ...limits, maxRecords: 100, maxWaitMs: 50 }, never))
      }
      const [first] = taken.ranges
      if (first) expect(first.range.from).toBe(BigInt(from))
      expect(taken.records.map(({ offset }) => offset)).toEqual(taken.records.map((_, i) => from + i))
      expect(taken.records.map(({ value }) => value)).toEqual(taken.records.map((_, i) => String(from + i)))
    }
  } finally {
    pouring = false
    await pour
  }
})
