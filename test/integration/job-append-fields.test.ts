import { expect, test } from 'vitest'
import { verifyJob } from '../../src/check/verify-job.ts'
import { fields } from '../../src/decode/fields.ts'
import { integer, text } from '../../src/fields/builders.ts'
import { deadLetter } from '../../src/job/poison.ts'
import { from } from '../../src/pipeline/from.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { append } from '../../src/sink/append.ts'
import { kafka } from '../../src/source/kafka/options.ts'
import { perPartition } from '../../src/strategy/per-partition.ts'
import { repartitionToOne } from '../../src/strategy/repartition-to-one.ts'
import { createDialect, createLogToCheck } from '../../src/wire.ts'
import { type EngineTypes, onEveryEngine } from '../support/engines.ts'
import { type Bench, drain, type Order, openBench } from '../support/running-job.ts'

/** Rows that are written from the records' bytes, into a table that refuses some of them. */
const tables = ({ text: exact }: EngineTypes) => `
  CREATE TABLE seen (k ${exact} NOT NULL CHECK (char_length(k) < 20), v smallint NOT NULL, "partition" int NOT NULL,
    log_offset bigint NOT NULL)`

const isPoison = ({ k, v }: Order) =>
  k.length >= 20 || k.includes('\0') || typeof v !== 'number' || v > 32_767

async function produceMixed(bench: Bench): Promise<void> {
  await bench.produce([{ k: 'x', v: 40_000 }])
  await bench.produce(60)
  await bench.produce([
    { k: 'of more than twenty letters', v: 1 },
    { k: 'with NUL \0 and more than that', v: 2 },
    { k: 'a\ttab\\\n\r', v: 3 },
    { k: '\\N', v: 4 },
    { k: 'é😀', v: -5 },
    { k: 'no number', v: 'x' as unknown as number },
  ])
  await bench.produce(60)
}

onEveryEngine((engine) => {
  test.each([
    ['collectThenCommit', undefined],
    ['repartitionToOne', repartitionToOne({ chunkRecords: 7 })],
    ['perPartition', perPartition()],
  ])(
    '%s: rows from bytes are there once, those that the database refuses are dead letters',
    async (_, strategy) => {
      const bench = await openBench('append-fields', { engine, tables })
      await produceMixed(bench)
      const job = bench.job({
        poison: deadLetter(),
        ...(strategy && { strategy }),
        pipelines: () =>
          from(kafka({ brokers: bench.brokers, topics: [bench.topic], startFrom: 'earliest' }))
            .decode(fields({ k: text(), v: integer() }))
            .into(append({ table: 'seen', meta: { partition: 'partition', offset: 'log_offset' } })),
      })
      await drain(job)
      const own = (order: (typeof bench.produced)[number]) => `${order.partition}@${order.offset}`
      const rows = await bench.database.rows<{ k: string; v: string; partition: string; log_offset: string }>(
        'SELECT * FROM seen',
      )
      expect(rows.map((row) => `${row.k} ${row.v} ${row.partition}@${row.log_offset}`).sort()).toEqual(
        bench.produced
          .filter((order) => !isPoison(order))
          .map((order) => `${order.k} ${order.v} ${own(order)}`)
          .sort(),
      )
      const letters = await bench.database.rows<{ partition: string; record_offset: string }>(
        `SELECT * FROM ${engine.own('oncesink_dead_letters')} WHERE job = :job`,
        { job: bench.name },
      )
      expect(letters.map((row) => `${row.partition}@${row.record_offset}`).sort()).toEqual(
        bench.produced.filter(isPoison).map(own).sort(),
      )
      const verified = await verifyJob({
        job,
        dialect: createDialect(job, systemRuntime),
        source: createLogToCheck(job, systemRuntime),
        runtime: systemRuntime,
        onProgress: () => {},
      })
      expect(verified).toMatchObject({ outcome: 'ok', lost: 0n, duplicated: 0n })
    },
  )
})
