import { describe, expect, test } from 'vitest'
import type { VerifyReport } from '../../src/check/conclusion.ts'
import { formatReport } from '../../src/check/report.ts'
import { verifyJob } from '../../src/check/verify-job.ts'
import {
  append,
  avg,
  count,
  type Job,
  max,
  maxBy,
  merge,
  min,
  sumDecimal,
  sumDouble,
  tumbling,
} from '../../src/index.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { createDialect, createLogToCheck } from '../../src/wire.ts'
import { type Bench, drain, openBench } from '../support/running-job.ts'

async function verify(job: Job): Promise<VerifyReport> {
  const source = createLogToCheck(job, systemRuntime)
  const dialect = createDialect(job, systemRuntime)
  return verifyJob({ job, dialect, source, runtime: systemRuntime, onProgress: () => {} })
}

/** The report's outcome; the whole report is the failure's message when it is another one. */
async function expectOutcome(job: Job, outcome: VerifyReport['outcome']): Promise<VerifyReport> {
  const report = await verify(job)
  expect(report.outcome, formatReport(report)).toBe(outcome)
  return report
}

const noon = Date.UTC(2026, 2, 29, 0, 30)

/** A value of every type that a row can have, each in the columns that can hold it. */
const typesTable = `
  CREATE TABLE totals (k varchar(10), hour timestamptz, n bigint, total numeric(14,3), least timestamptz, most double precision,
    thirds double precision, mean_sum numeric(14,3), mean_count bigint,
    last varchar(9), last_by integer, PRIMARY KEY (k, hour));
  CREATE TABLE kinds (i integer, big bigint, amount numeric(12,2), exact numeric, ratio real, wide double precision,
    yes boolean, at timestamptz, wall timestamp, day date, label varchar(20), code char(6), raw bytea, id uuid,
    nothing text, untouched text DEFAULT 'default', p integer, o bigint, t text, written timestamptz)`

async function openTypes(): Promise<{ bench: Bench; job: Job }> {
  const bench = await openBench('verify', { tables: typesTable })
  const job = bench.job({
    limits: { maxRecordsPerBatch: 50 },
    pipelines: (orders) => [
      orders
        .groupBy({ k: (o) => o.k, hour: tumbling('1 hour', (o) => noon + o.v * 60_000) })
        .aggregate({
          n: count(),
          total: sumDecimal((o) => o.v / 8, { scale: 3 }),
          least: min((o) => new Date(noon - o.v * 1_001)),
          most: max((o) => o.v / 3),
          last: maxBy((o) => `v${o.v}`, { by: (o) => o.v % 7 }),
          thirds: sumDouble((o) => o.v / 3),
          mean: avg((o) => (o.v % 2 === 0 ? o.v / 8 : null), { scale: 3 }),
        })
        .into(merge({ table: 'totals' })),
      orders
        .map(({ k, v }) => ({
          i: v % 2 === 0 ? -v : v,
          big: 9_007_199_254_740_993n + BigInt(v),
          amount: `${v}.5`,
          exact: `${v}e-7`,
          ratio: v / 7,
          wide: v / 7,
          yes: v % 2 === 0,
          at: new Date(noon + v * 1_003),
          wall: new Date(noon + v * 1_003),
          day: new Date(noon + v * 86_400_000),
          label: `${k} 'ü€😀\\ `,
          code: k,
          raw: Buffer.from([0, v % 256, 255]),
          id: '01234567-89AB-4DEF-8123-456789ABCDEF',
          nothing: v % 3 === 0 ? null : undefined,
        }))
        .into(
          append({
            table: 'kinds',
            meta: { partition: 'p', offset: 'o', topic: 't', timestamp: 'written' },
          }),
        ),
    ],
  })
  return { bench, job }
}

test('values of every column type that a job can write are recomputed and equal', async () => {
  const { bench, job } = await openTypes()
  await bench.produce(300)
  await drain(job)
  const report = await expectOutcome(job, 'ok')
  expect(report).toMatchObject({ lost: 0n, duplicated: 0n, recordsReplayed: 300 })
  expect(report.tables.map(({ rowsActual }) => rowsActual)).toEqual([expect.any(Number), 300])
})

describe('negative controls on real tables: one changed value is a violation', () => {
  const first = 'ctid = (SELECT min(ctid) FROM kinds)'
  const tampered = [
    'UPDATE totals SET n = n + 1 WHERE ctid = (SELECT min(ctid) FROM totals)',
    'UPDATE totals SET total = total + 0.001 WHERE ctid = (SELECT min(ctid) FROM totals)',
    "UPDATE totals SET least = least - interval '1 millisecond' WHERE ctid = (SELECT min(ctid) FROM totals)",
    'UPDATE totals SET most = most + 1e-9 WHERE ctid = (SELECT min(ctid) FROM totals)',
    'UPDATE totals SET thirds = thirds * 1.00000001 + 1e-8 WHERE ctid = (SELECT min(ctid) FROM totals)',
    "UPDATE totals SET thirds = 'Infinity' WHERE ctid = (SELECT min(ctid) FROM totals)",
    'UPDATE totals SET mean_sum = mean_sum + 0.001 WHERE ctid = (SELECT min(ctid) FROM totals)',
    'UPDATE totals SET mean_count = mean_count + 1 WHERE ctid = (SELECT min(ctid) FROM totals)',
    "UPDATE totals SET last = last || '0' WHERE ctid = (SELECT min(ctid) FROM totals)",
    'UPDATE totals SET last_by = last_by - 1 WHERE ctid = (SELECT min(ctid) FROM totals)',
    "UPDATE totals SET hour = hour + interval '1 year' WHERE ctid = (SELECT min(ctid) FROM totals)",
    'DELETE FROM totals WHERE ctid = (SELECT min(ctid) FROM totals)',
    `INSERT INTO totals SELECT 'zz', hour, n, total, least, most, thirds, mean_sum, mean_count, last, last_by FROM totals LIMIT 1`,
    `UPDATE kinds SET i = i + 1 WHERE ${first}`,
    `UPDATE kinds SET big = big + 1 WHERE ${first}`,
    `UPDATE kinds SET amount = amount + 0.01 WHERE ${first}`,
    `UPDATE kinds SET exact = exact + 0.0000001 WHERE ${first}`,
    `UPDATE kinds SET ratio = ratio + 0.001 WHERE ${first}`,
    `UPDATE kinds SET wide = wide + 1e-9 WHERE ${first}`,
    `UPDATE kinds SET yes = NOT yes WHERE ${first}`,
    `UPDATE kinds SET at = at + interval '1 microsecond' WHERE ${first}`,
    `UPDATE kinds SET wall = wall + interval '1 hour' WHERE ${first}`,
    `UPDATE kinds SET day = day + 1 WHERE ${first}`,
    `UPDATE kinds SET label = label || ' ' WHERE ${first}`,
    `UPDATE kinds SET code = upper(code) WHERE ${first}`,
    `UPDATE kinds SET raw = raw || '\\x00' WHERE ${first}`,
    `UPDATE kinds SET nothing = '' WHERE ${first}`,
    `UPDATE kinds SET o = o + 1 WHERE ${first}`,
    `DELETE FROM kinds WHERE ${first}`,
    `INSERT INTO kinds SELECT * FROM kinds WHERE ${first}`,
    'TRUNCATE kinds',
  ]

  test('whatever is changed', async () => {
    const { bench, job } = await openTypes()
    const { knex } = bench.database
    await bench.produce(40)
    await drain(job)
    await knex.raw('CREATE TABLE totals_right AS TABLE totals; CREATE TABLE kinds_right AS TABLE kinds')
    for (const sql of tampered) {
      await knex.raw(sql)
      const report = await verify(job)
      expect(report.outcome, sql).toBe('violation')
      expect(report.chain.violations.total).toBe(0)
      await knex.raw(
        'TRUNCATE totals, kinds; INSERT INTO totals TABLE totals_right; INSERT INTO kinds TABLE kinds_right',
      )
    }
    // A column that the job does not write is not its business.
    await knex.raw(`UPDATE kinds SET untouched = 'by somebody else'`)
    await expectOutcome(job, 'ok')
  })
})
