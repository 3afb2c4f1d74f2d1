import { describe, expect, test } from 'vitest'
import type { BatchInfo } from '../../src/model/micro-batch.ts'
import type { Stream } from '../../src/pipeline/stream.ts'
import { write, writeResult } from '../../src/sink/write.ts'
import { onEveryEngine } from '../support/engines.ts'
import { type Bench, drain, type Order, openBench } from '../support/running-job.ts'

onEveryEngine((engine) => {
  const tables = `
  CREATE TABLE calls (batch_id char(36) NOT NULL, sum bigint NOT NULL);
  CREATE TABLE sums (k ${engine.types.text} PRIMARY KEY, sum bigint NOT NULL);`

  /** The value that a row of INSERT would have had, in the words of each. */
  const arriving = engine.name === 'postgres' ? 'excluded.sum' : 'VALUES(sum)'

  /** Ledger rows of kind batch as they are told to the job's code. */
  async function ledgerBatches(bench: Bench): Promise<BatchInfo[]> {
    const batches = new Map<string, BatchInfo>()
    for (const row of await bench.ledger()) {
      if (row.batch_id === null) continue
      const known = batches.get(row.batch_id)
      const range = {
        topic: bench.topic,
        partition: row.partition,
        from: BigInt(row.from_offset),
        until: BigInt(row.until_offset),
      }
      batches.set(row.batch_id, {
        batchId: row.batch_id,
        job: bench.name,
        ranges: [...(known?.ranges ?? []), range],
        records: (known?.records ?? 0) + Number(row.records),
        deadLetters: 0,
      })
    }
    return [...batches.values()].sort(byBatchId)
  }

  const byBatchId = (a: BatchInfo, b: BatchInfo) => (a.batchId < b.batchId ? -1 : 1)
  const limits = { maxRecordsPerBatch: 12 }

  describe('the code of a job in the transaction', () => {
    test('gets every value once with write, and the batch as the ledger has it', async () => {
      const bench = await openBench('write', { engine, tables })
      await bench.produce(50)
      const infos: BatchInfo[] = []
      const given: Order[] = []
      const pipelines = (orders: Stream<Order>) =>
        orders
          .filter(({ v }) => v % 2 === 1)
          .into(
            write(async (trx, rows, batch) => {
              infos.push(batch)
              given.push(...rows)
              const sum = rows.reduce((total, { v }) => total + v, 0)
              await trx('calls').insert({ batch_id: batch.batchId, sum })
            }),
          )
      const { heard } = await drain(bench.job({ pipelines, limits }))
      const odd = bench.produced.filter(({ v }) => v % 2 === 1)
      expect(given.map(({ v }) => v).sort((a, b) => a - b)).toEqual(odd.map(({ v }) => v))
      // Within a batch: by partition, and in record order.
      const offsets = given.map(({ v }) => bench.produced.findIndex((order) => order.v === v))
      const [first = []] = infos.map(({ ranges }) => ranges)
      const ofFirst = bench.produced.filter(
        ({ partition, offset, v }) => v % 2 === 1 && offset < Number(first[partition]?.until ?? 0),
      )
      expect(offsets.slice(0, ofFirst.length).map((i) => bench.produced[i]?.partition)).toEqual(
        ofFirst.map(({ partition }) => partition).sort(),
      )
      expect(infos.length).toBeGreaterThan(4)
      expect(infos.sort(byBatchId)).toEqual(await ledgerBatches(bench))
      expect(heard.batch.map(({ batchId }) => batchId).sort()).toEqual(infos.map(({ batchId }) => batchId))
      expect(heard.batch.reduce((sum, { records }) => sum + records, 0)).toBe(50)
      const calls: { batch_id: string; sum: string }[] = await bench.database.knex('calls')
      expect(calls.map((call) => call.batch_id).sort()).toEqual(infos.map(({ batchId }) => batchId))
      expect(calls.reduce((sum, call) => sum + Number(call.sum), 0)).toBe(
        odd.reduce((sum, { v }) => sum + v, 0),
      )
    })

    test('gets one result per batch with writeResult, also for records that the filters have left out', async () => {
      const bench = await openBench('write-result', { engine, tables })
      await bench.produce(30)
      await bench.produce(Array<Order>(10).fill({ k: 'left out', v: 0 }))
      const infos: BatchInfo[] = []
      const results: ReadonlyMap<string, number>[] = []
      const addTo = (sums: Map<string, number>, k: string, v: number) => sums.set(k, (sums.get(k) ?? 0) + v)
      const pipelines = (orders: Stream<Order>) =>
        orders
          .filter(({ k }) => k !== 'left out')
          .reduce<Map<string, number>>({
            zero: () => new Map(),
            add: (sums, { k, v }) => addTo(sums, k, v),
            merge: (a, b) => {
              for (const [k, v] of b) addTo(a, k, v)
              return a
            },
          })
          .into(
            writeResult(async (trx, sums, batch) => {
              infos.push(batch)
              results.push(sums)
              for (const [k, sum] of sums) {
                await trx('sums')
                  .insert({ k, sum })
                  .onConflict('k')
                  .merge({ sum: trx.raw(`sums.sum + ${arriving}`) })
              }
            }),
          )
      await drain(bench.job({ pipelines, limits: { maxRecordsPerBatch: 5 } }))
      const sums: { k: string; sum: string }[] = await bench.database.knex('sums').orderBy('k')
      const { totals } = bench.expected(bench.produced.slice(0, 30))
      expect(sums).toEqual(totals.map(({ k, total }) => ({ k, sum: String(total) })))
      expect(infos.sort(byBatchId)).toEqual(await ledgerBatches(bench))
      expect(infos.reduce((sum, { records }) => sum + records, 0)).toBe(40)
      expect(results.filter(({ size }) => size === 0).length).toBeGreaterThan(0)
    })
  })
})
