import { describe, expect, test } from 'vitest'
import { count } from '../../../src/aggregation/count.ts'
import { fields } from '../../../src/decode/fields.ts'
import { json } from '../../../src/decode/json.ts'
import { runWithDeadLetters } from '../../../src/executor/dead-letters.ts'
import { compilePartitionTask, type TaskOptions } from '../../../src/executor/partition-task.ts'
import { text } from '../../../src/fields/builders.ts'
import { deadLetter } from '../../../src/job/poison.ts'
import { from } from '../../../src/pipeline/from.ts'
import type { Pipeline } from '../../../src/pipeline/pipeline.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { append } from '../../../src/sink/append.ts'
import { merge } from '../../../src/sink/merge.ts'
import { RangeDigest } from '../../../src/source/range-digest.ts'
import { type PlainRecord, segmentFromRecords } from '../../../src/source/record-segment.ts'
import type { FetchedRange } from '../../../src/source/source.ts'
import { rangeOf } from './ranges.ts'

const source = { kind: 'test', startFrom: 'earliest' } as const
const never = new AbortController().signal
const copied = from(source)
  .decode(json<{ item: string }>())
  .into(append({ table: 't' }))
const few = from(source)
  .decode(json<{ item: string }>())
  .filter(({ item }) => item === 'item 3')
  .into(append({ table: 't' }))
/** Goes from bytes to groups without an object per record. */
const byColumns = from(source)
  .decode(fields({ item: text() }))
  .groupBy({ item: (o) => o.item })
  .aggregate({ n: count() })
  .into(merge({ table: 't' }))

function recordsOf(count: number): PlainRecord[] {
  return Array.from({ length: count }, (_, i) => ({
    offset: 2 * i,
    key: i % 3 === 0 ? null : `k${i}`,
    value: JSON.stringify({ item: `item ${i % 10}` }),
  }))
}

function digestOf({ slices }: FetchedRange): bigint {
  const digest = new RangeDigest()
  for (const { segment, begin, end } of slices) digest.add(segment, begin, end)
  return digest.sum
}

function taskOf({ plan }: Pipeline, options: TaskOptions = { digest: true }) {
  return compilePartitionTask(plan.root, [plan], systemClock, options)
}

describe('the digest of a partition task', () => {
  test.each([
    ['of rows', copied, {}],
    ['of rows that filters leave out', few, {}],
    ['of columns', byColumns, {}],
    ['of columns, decoded one by one', byColumns, { way: 'plain' }],
  ] as const)(
    '%s is that of all records of its range, over more than one block',
    async (_, pipeline, way) => {
      const fetched = rangeOf(recordsOf(1_000))
      const { digest } = await taskOf(pipeline, { ...way, digest: true }).run(fetched, never)
      expect(digest).toBe(digestOf(fetched))
    },
  )

  test('is of the slices of the range, not of everything that was fetched with them', async () => {
    const segment = segmentFromRecords('orders', 0, recordsOf(10))
    const slices = [{ segment, begin: 2, end: 5 }]
    const fetched = { ...rangeOf(recordsOf(10)), records: 3, slices }
    const { digest } = await taskOf(copied).run(fetched, never)
    expect(digest).toBe(digestOf(rangeOf(recordsOf(5).slice(2))))
  })

  test('begins anew with every range', async () => {
    const task = taskOf(copied)
    await task.run(rangeOf(recordsOf(300)), never)
    const next = rangeOf(recordsOf(400).slice(300))
    expect((await task.run(next, never)).digest).toBe(digestOf(next))
    expect((await task.run({ ...next, records: 0, slices: [] }, never)).digest).toBe(0n)
  })

  test('counts records that become dead letters once, however often the range is run for them', async () => {
    const poison = { offset: 601, value: 'no JSON' }
    const records = [...recordsOf(301), poison, ...recordsOf(500).slice(301)]
    const fetched = rangeOf(records)
    const result = await runWithDeadLetters(taskOf(copied), fetched, never, deadLetter())
    expect(result.deadLetters).toHaveLength(1)
    expect(result.digest).toBe(digestOf(fetched))
    const condemned = [
      {
        ...{ topic: 'orders', partition: 0, offset: 4n },
        cause: { code: 'ROWS_REJECTED', stage: 'sink', message: 'too long', stack: null } as const,
      },
    ]
    const good = rangeOf(recordsOf(10))
    const without = await runWithDeadLetters(taskOf(copied), good, never, deadLetter(), condemned)
    expect(without.deadLetters).toHaveLength(1)
    expect(without.digest).toBe(digestOf(good))
  })

  test('is of the bytes in the log, whatever a decoder does to them', async () => {
    const scribbles = from(source)
      .decode((bytes) => ({ item: String(bytes?.fill(0)) }))
      .into(append({ table: 't' }))
    const { digest } = await taskOf(scribbles).run(rangeOf(recordsOf(300)), never)
    expect(digest).toBe(digestOf(rangeOf(recordsOf(300))))
  })

  test('is not made where nobody wants it', async () => {
    expect((await taskOf(copied, {}).run(rangeOf(recordsOf(3)), never)).digest).toBeNull()
  })
})
