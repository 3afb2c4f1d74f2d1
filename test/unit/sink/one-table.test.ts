import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { avg } from '../../../src/aggregation/avg.ts'
import { collectPartials } from '../../../src/aggregation/collect.ts'
import { count } from '../../../src/aggregation/count.ts'
import { max, min } from '../../../src/aggregation/extreme.ts'
import { maxBy, minBy } from '../../../src/aggregation/extreme-by.ts'
import { hopping } from '../../../src/aggregation/hopping.ts'
import { sum } from '../../../src/aggregation/sum.ts'
import { sumDecimal } from '../../../src/aggregation/sum-decimal.ts'
import { tumbling } from '../../../src/aggregation/tumbling.ts'
import { json } from '../../../src/decode/json.ts'
import { nullable } from '../../../src/decode/nullable.ts'
import { string } from '../../../src/decode/string.ts'
import { compilePartitionTask } from '../../../src/executor/partition-task.ts'
import { from } from '../../../src/pipeline/from.ts'
import type { Pipeline } from '../../../src/pipeline/pipeline.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { append } from '../../../src/sink/append.ts'
import { deliver } from '../../../src/sink/deliver.ts'
import { merge } from '../../../src/sink/merge.ts'
import { upsert } from '../../../src/sink/upsert.ts'
import type { PlainRecord } from '../../../src/source/record-segment.ts'
import { TableModel } from '../../support/table-model.ts'
import { rangeOf } from '../executor/ranges.ts'

/*
 * Whatever the cuts between batches, the order in which partitions commit, and the batches that roll back and are
 * computed again: there is one table.
 */

interface Change {
  id: string
  amount: number
  /** Minutes. */
  at: number
  note?: string | null
  tags?: string[]
}

const PARTITIONS = 3
const source = from({ kind: 'test', startFrom: 'earliest' })
const changes = source.decode(nullable(json<Change>()), { key: string() })
const present = changes.filter((change) => change !== null)
const minute = (change: Change) => change.at * 60_000
const grouped = present.groupBy({ id: (c) => c.id })

const pipelines: Record<string, Pipeline> = {
  count: grouped.aggregate({ x: count() }).into(merge({ table: 't' })),
  sum: grouped.aggregate({ x: sum((c) => c.amount) }).into(merge({ table: 't' })),
  sumDecimal: grouped
    .aggregate({ x: sumDecimal((c) => c.amount / 4, { scale: 2 }) })
    .into(merge({ table: 't' })),
  avg: grouped
    .aggregate({ x: avg((c) => (c.note === null ? null : c.amount), { scale: 0 }) })
    .into(merge({ table: 't' })),
  'min and max': grouped
    .aggregate({ x: min((c) => (c.note === null ? null : c.amount)), y: max((c) => new Date(minute(c))) })
    .into(merge({ table: 't' })),
  'minBy and maxBy': grouped
    .aggregate({
      x: minBy((c) => c.note, { by: (c) => c.amount }),
      y: maxBy((c) => c.amount, { by: (c) => (c.note === null ? null : c.at) }),
    })
    .into(merge({ table: 't' })),
  tumbling: present
    .groupBy({ minute: tumbling('2 minutes', minute), even: (c) => c.amount % 2 === 0 })
    .aggregate({ x: count() })
    .into(merge({ table: 't' })),
  hopping: present
    .groupBy({ id: (c) => c.id, from: hopping({ size: '3 minutes', every: '1 minute' }, minute) })
    .aggregate({ x: count(), y: sum((c) => c.amount) })
    .into(merge({ table: 't' })),
  append: present.into(append({ table: 't', meta: { partition: 'p', offset: 'o', key: 'k' } })),
  'upsert with deletes': changes.into(
    upsert({ table: 't', key: { id: (m) => m.key }, tombstones: 'delete' }),
  ),
  'upsert without': changes.into(
    upsert({ table: 't', key: ['id'], tombstones: 'skip', columns: { id: 'i' } }),
  ),
}

const changeOf = fc.record(
  {
    amount: fc.integer({ min: -20, max: 20 }),
    at: fc.integer({ min: 0, max: 6 }),
    note: fc.option(fc.constantFrom('a', 'B', 'é', '\u{1f4a5}', '\ufffd')),
    tags: fc.array(fc.constantFrom('x', 'y'), { maxLength: 2 }),
  },
  { requiredKeys: ['amount', 'at'] },
)
const ids = ['a', 'b', 'ä', '__proto__', 'x"; --', '0']

/** Records of one partition, each id being at home in one. */
const logOf = (partition: number) =>
  fc.array(
    fc.record({
      id: fc.constantFrom(...ids.filter((_, i) => i % PARTITIONS === partition)),
      change: fc.option(changeOf, { freq: 4 }),
      gap: fc.integer({ min: 0, max: 2 }),
    }),
    { maxLength: 12 },
  )

/** A step of a run: a batch of up to so many records of each partition, which commits or does not. */
const stepOf = fc.record({
  take: fc.tuple(...Array.from({ length: PARTITIONS }, () => fc.integer({ min: 0, max: 4 }))),
  end: fc.constantFrom<'commit' | 'rollback'>('commit', 'commit', 'rollback'),
})

type Log = readonly (readonly PlainRecord[])[]

async function run(
  { plan }: Pipeline,
  log: Log,
  steps: readonly { take: number[]; end: 'commit' | 'rollback' }[],
) {
  const table = new TableModel()
  const task = compilePartitionTask(plan.root, [plan], systemClock)
  const next = log.map(() => 0)
  const everything = { take: log.map((records) => records.length), end: 'commit' as const }
  for (const { take, end } of [...steps, everything]) {
    const partials = []
    const until = next.map((at, partition) =>
      Math.min(at + (take[partition] ?? 0), log[partition]?.length ?? 0),
    )
    for (const [partition, records] of log.entries()) {
      const slice = records.slice(next[partition], until[partition])
      if (slice.length === 0) continue
      const { partials: made } = await task.run(rangeOf(slice, partition), new AbortController().signal)
      partials.push(...structuredClone(made))
    }
    if (partials.length === 0) continue
    const collected = collectPartials(plan.terminal, partials)
    const batch = { batchId: 'id', job: 'job', ranges: [], records: 1, deadLetters: 0 }
    await table.transaction((trx) => deliver(trx, plan, collected, batch), end)
    if (end === 'commit') next.splice(0, next.length, ...until)
  }
  return table.content()
}

describe.each(Object.entries(pipelines))('%s', (_, pipeline) => {
  test('gives one table for every cut, every order of commits and every number of replays', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(logOf(0), logOf(1), logOf(2)),
        fc.array(stepOf, { maxLength: 12 }),
        async (logs, steps) => {
          const log = logs.map((records) => {
            let offset = 0
            return records.map(({ id, change, gap }) => {
              offset += gap + 1
              return { offset, key: id, value: change && JSON.stringify({ id, ...change }) }
            })
          })
          const inOneBatch = await run(pipeline, log, [])
          const oneByOne = Array.from({ length: 36 }, (_, i) => ({
            take: log.map((_records, partition) => Number(partition === i % PARTITIONS)),
            end: 'commit' as const,
          }))
          expect(await run(pipeline, log, oneByOne)).toEqual(inOneBatch)
          expect(await run(pipeline, log, steps)).toEqual(inOneBatch)
        },
      ),
      { numRuns: 40 },
    )
  })
})
