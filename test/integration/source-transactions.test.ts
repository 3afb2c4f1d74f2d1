import type { Transaction } from 'kafkajs'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ends, openSource, positionsAt, takeRecords, takeUntil } from '../support/kafka-reading.ts'
import { createTopic, kafkaClient } from '../support/kafka-service.ts'
import { uniqueName } from '../support/unique.ts'

async function transactionalProducer() {
  const producer = kafkaClient().producer({
    transactionalId: uniqueName('tx'),
    idempotent: true,
    maxInFlightRequests: 1,
  })
  await producer.connect()
  onTestFinished(() => producer.disconnect())
  return producer
}

describe('transactions', () => {
  test('only committed records are seen, from every starting offset, however the transactions interleave', async () => {
    const topic = await createTopic('transactions')
    const [a, b] = [await transactionalProducer(), await transactionalProducer()]
    const committed = new Set<string>()
    const all: string[] = []
    // A key that looks like an abort marker's.
    const send = async (transaction: Transaction, value: string) => {
      all.push(value)
      await transaction.send({ topic, messages: [{ key: Buffer.alloc(4), value }] })
    }
    for (let round = 0; round < 12; round++) {
      const [first, second] = [await a.transaction(), await b.transaction()]
      await send(first, `a${round}-1`)
      await send(second, `b${round}-1`)
      await send(first, `a${round}-2`)
      if (round % 2 === 0) {
        await second.commit()
        committed.add(`b${round}-1`)
      } else await second.abort()
      await send(first, `a${round}-3`)
      if (round % 3 === 0) {
        await first.commit()
        for (const n of [1, 2, 3]) committed.add(`a${round}-${n}`)
      } else await first.abort()
    }
    const { source } = await openSource([topic])
    const until = await ends(source)
    const end = until.get(`${topic}/0`) ?? 0n
    const [position] = await positionsAt(source, 0n)
    if (position === undefined) throw new Error('no partition')
    await source.seek([position])
    const whole = await takeUntil(source, until)
    expect(whole.values).toEqual(all.filter((value) => committed.has(value)))
    for (let from = 1n; from < end; from++) {
      await source.seek([{ ...position, nextOffset: from }])
      const { records } = await takeUntil(source, until)
      expect(records, `from ${from}`).toEqual(whole.records.filter(({ offset }) => offset >= from))
    }

    const uncommitted = await openSource([topic], { isolation: 'read_uncommitted' })
    await uncommitted.source.seek([position])
    expect((await takeRecords(uncommitted.source, all.length)).values).toEqual(all)
  })

  test('the same holds when every fetch brings one batch only', async () => {
    const topic = await createTopic('small_fetches')
    const [a, b] = [await transactionalProducer(), await transactionalProducer()]
    const value = (name: string) => name.padEnd(1200, '.')
    for (let round = 0; round < 6; round++) {
      const [first, second] = [await a.transaction(), await b.transaction()]
      await first.send({ topic, messages: [{ value: value(`a${round}`) }] })
      await second.send({ topic, messages: [{ value: value(`b${round}`) }] })
      await (round % 2 === 0 ? first.abort() : first.commit())
      await second.send({ topic, messages: [{ value: value(`b${round}'`) }] })
      await (round % 3 === 0 ? second.commit() : second.abort())
    }
    const { source } = await openSource([topic], { fetch: { maxBytesPerPartition: 1024, maxWaitMs: 20 } })
    await source.seek(await positionsAt(source, 0n))
    const { values } = await takeUntil(source, await ends(source))
    expect(values.map((text) => text?.replace(/\.+$/, ''))).toEqual(
      ['b0', "b0'", 'a1', 'b3', "b3'", 'a3', 'a5'].sort(byRound),
    )
  })

  test('an open transaction holds the end back, and an aborted tail is an empty range on request only', async () => {
    const topic = await createTopic('open_transaction')
    const [a, b] = [await transactionalProducer(), await transactionalProducer()]
    const first = await a.transaction()
    await first.send({ topic, messages: [{ value: 'seen' }] })
    await first.commit()
    const second = await b.transaction()
    await second.send({ topic, messages: [{ value: 'never' }] })
    const { source } = await openSource([topic])
    await source.seek(await positionsAt(source, 0n))
    const seen = await takeRecords(source, 1)
    expect(seen.ranges.at(-1)?.range).toMatchObject({ from: 0n, until: 2n })
    expect(source.progress()[0]).toMatchObject({ position: 2n, endOffset: 2n })
    await second.abort()
    const wait = { maxRecords: 10, maxWaitMs: 1000, order: 'fair' } as const
    const { signal } = new AbortController()
    expect(await source.take({ ...wait, includeEmptyRanges: false }, signal)).toEqual([])
    const [tail] = await source.take({ ...wait, includeEmptyRanges: true }, signal)
    expect(tail).toMatchObject({ range: { from: 2n, until: 4n }, records: 0, slices: [] })
  })
})

/** Both producers wrote in rounds; within one, a's only batch came first. */
function byRound(x: string, y: string): number {
  return Number(x[1]) - Number(y[1]) || (x < y ? -1 : 1)
}
