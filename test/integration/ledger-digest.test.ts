import { describe, expect, test } from 'vitest'
import type { VerifyReport } from '../../src/check/conclusion.ts'
import { formatReport } from '../../src/check/report.ts'
import { verifyJob } from '../../src/check/verify-job.ts'
import type { Job } from '../../src/index.ts'
import { deadLetter } from '../../src/job/poison.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { RangeDigest } from '../../src/source/range-digest.ts'
import { segmentFromRecords } from '../../src/source/record-segment.ts'
import { fileHandoff } from '../../src/strategy/file-handoff/file-handoff.ts'
import { perPartition } from '../../src/strategy/per-partition.ts'
import { repartitionToOne } from '../../src/strategy/repartition-to-one.ts'
import { createDialect, createLogToCheck } from '../../src/wire.ts'
import type { LedgerEntry } from '../support/broken-links.ts'
import { onEveryEngine } from '../support/engines.ts'
import { deleteRecordsBelow } from '../support/kafka-admin.ts'
import type { BenchJobOptions } from '../support/running-job.ts'
import { type Bench, drain, intoSeen, openBench } from '../support/running-job.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** The digest of what was produced to `[from, until)` of a partition, as whoever knows the records computes it. */
function digestOfProduced(bench: Bench, partition: number, from: bigint, until: bigint): bigint {
  const digest = new RangeDigest()
  const records = bench.produced
    .filter((order) => order.partition === partition && order.offset >= from && order.offset < until)
    .map(({ k, v, offset }) => ({ offset, value: JSON.stringify({ k, v }) }))
  if (records.length > 0) digest.add(segmentFromRecords(bench.topic, partition, records), 0, records.length)
  return digest.sum
}

type StoredBatch = LedgerEntry & { readonly dead_letters: string; readonly digest: string | null }

async function batchesOf(bench: Bench): Promise<StoredBatch[]> {
  return ((await bench.ledger()) as StoredBatch[]).filter(({ kind }) => kind === 'batch')
}

function verify(job: Job): Promise<VerifyReport> {
  const source = createLogToCheck(job, systemRuntime)
  const dialect = createDialect(job, systemRuntime)
  return verifyJob({ job, dialect, source, runtime: systemRuntime, onProgress: () => {} })
}

onEveryEngine((engine) => {
  test('every 64 bits come back from the ledger as they were written, and so does none', async () => {
    const bench = await openBench('digest-column', { engine, partitions: 1 })
    await drain(bench.job())
    const connection = await createDialect(bench.job(), systemRuntime).connect({ job: 'd', owner: 'test' })
    const digests = [0n, 1n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 63n + 1n, 2n ** 64n - 1n, null]
    const row = { kind: 'batch', incarnation: 0, epoch: 1n, records: 1, deadLetters: 0 } as const
    const id = '11111111-0000-4000-8000-000000000000'
    const rows = digests.map((digest, i) => {
      const range = { topic: bench.topic, partition: 0, from: BigInt(i), until: BigInt(i + 1) }
      return { ...row, range, claimId: id, batchId: id, digest }
    })
    const trx = await connection.begin('batch')
    await trx.writeLedger('d', rows)
    expect((await trx.readLedger('d')).map(({ digest }) => digest)).toEqual(digests)
    await trx.rollback()
    await connection.close()
  })

  const directory = temporaryFolder
  const variants: [string, () => Promise<BenchJobOptions>][] = [
    ['collectThenCommit', async () => ({})],
    ['perPartition', async () => ({ strategy: perPartition({ connections: 2 }) })],
    ['repartitionToOne, in chunks', async () => ({ strategy: repartitionToOne({ chunkRecords: 7 }) })],
    ['fileHandoff', async () => ({ strategy: fileHandoff({ directory: await directory() }) })],
  ]
  describe.each(variants)('the ledger of %s', (name, options) => {
    test('has the digest of exactly the records of each range, dead letters and what is filtered out included', async () => {
      const bench = await openBench('digest', { engine })
      await bench.produce(120)
      await bench.produce([
        { k: 'a', v: -1 },
        { k: 'b', v: 1 },
        { k: 'c', v: -3 },
      ])
      const job = bench.job({
        ...(await options()),
        ledger: { digest: true },
        limits: { maxRecordsPerBatch: 40 },
        poison: deadLetter(),
        pipelines: (orders) =>
          intoSeen(
            orders
              .map((order) => {
                if (order.v < 0) throw new Error('negative')
                return order
              })
              .filter(({ k }) => k !== 'd'),
          ),
      })
      await drain(job)
      const batches = await batchesOf(bench)
      expect(batches.length).toBeGreaterThan(2)
      expect(batches.reduce((sum, batch) => sum + Number(batch.dead_letters), 0)).toBe(2)
      for (const { partition, from_offset, until_offset, digest } of batches) {
        const expected = digestOfProduced(bench, partition, BigInt(from_offset), BigInt(until_offset))
        expect(BigInt.asUintN(64, BigInt(digest ?? 0)), name).toBe(expected)
      }
      const report = await verify(job)
      expect(report.outcome, formatReport(report)).toBe('ok')
      expect(report.controlTotals).toMatchObject({
        batches: batches.length,
        digests: batches.length,
        notRead: 0,
      })
    })
  })

  test('a digest that is not of what the log has is a violation, of the part that retention has left too', async () => {
    const bench = await openBench('digest-wrong', { engine, partitions: 1 })
    const job = bench.job({ ledger: { digest: true }, limits: { maxRecordsPerBatch: 10 } })
    await bench.produce(30)
    await drain(job)
    const batches = await batchesOf(bench)
    const last = batches.at(-1)
    const table = engine.own('oncesink_batches')
    // The sign bit only: whoever keeps 63 bits does not see it.
    const flipped = BigInt.asIntN(64, BigInt(last?.digest ?? 0) ^ (1n << 63n))
    await bench.database.run(
      `UPDATE ${table} SET digest = ${flipped} WHERE from_offset = ${last?.from_offset} AND kind = 'batch'`,
    )
    const found = [{ class: 'record-digest', batchId: last?.batch_id, epoch: 1n }]
    const report = await verify(job)
    expect(report.outcome, formatReport(report)).toBe('violation')
    expect(report.controlTotals?.violations.first).toMatchObject(found)

    await deleteRecordsBelow(bench.topic, 5)
    const cut = await verify(job)
    expect(cut.outcome, formatReport(cut)).toBe('violation')
    expect(cut).toMatchObject({ tables: [], controlTotals: { batches: batches.length - 1, notRead: 1 } })
    expect(cut.controlTotals?.violations.first).toMatchObject(found)
    await bench.database.run(
      `UPDATE ${table} SET digest = ${last?.digest} WHERE from_offset = ${last?.from_offset} AND kind = 'batch'`,
    )
    expect((await verify(job)).outcome).toBe('inconclusive')
  })

  test('without the option the ledger has none', async () => {
    const bench = await openBench('digest-off', { engine })
    await bench.produce(10)
    await drain(bench.job())
    const batches = await batchesOf(bench)
    expect(batches.map(({ digest }) => digest)).toEqual(batches.map(() => null))
  })
})
