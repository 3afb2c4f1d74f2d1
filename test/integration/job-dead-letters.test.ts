import { join } from 'node:path'
import type { Knex } from 'knex'
import { describe, expect, test } from 'vitest'
import { verifyJob } from '../../src/check/verify-job.ts'
import type { Job } from '../../src/job/job.ts'
import { deadLetter } from '../../src/job/poison.ts'
import type { Stream } from '../../src/pipeline/stream.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { write } from '../../src/sink/write.ts'
import { createDialect, createLogToCheck } from '../../src/wire.ts'
import { type EngineTypes, onEveryEngine } from '../support/engines.ts'
import { JobProcess, oncesink } from '../support/job-process.ts'
import { kafkaService } from '../support/kafka-service.ts'
import {
  type Bench,
  drain,
  intoSeen,
  intoTotals,
  type Order,
  observe,
  openBench,
} from '../support/running-job.ts'

/** The defaults, but the database refuses keys of more than four characters. */
const tables = ({ text }: EngineTypes) => `
  CREATE TABLE totals (k ${text} PRIMARY KEY CHECK (char_length(k) < 5), n bigint NOT NULL, total bigint NOT NULL);
  CREATE TABLE seen ("partition" int NOT NULL, log_offset bigint NOT NULL, v bigint NOT NULL)`

/** What the aggregate cannot take. */
const unparsable = { k: 'a', v: 'x' } as unknown as Order
/** What the database cannot take. */
const rejected: Order = { k: 'too long', v: 1 }
/** What PostgreSQL's text cannot hold, and is too long for the others. */
const withNul: Order = { k: 'a\0bcd', v: 1 }

const isPoison = ({ k, v }: Order) => typeof v !== 'number' || k.length > 4 || k.includes('\0')
const good = (bench: Bench) => bench.produced.filter((order) => !isPoison(order))
const bad = (bench: Bench) =>
  bench.produced
    .filter(isPoison)
    .map(({ partition, offset }) => `${partition}@${offset}`)
    .sort()

interface StoredDeadLetter {
  readonly partition: number
  readonly record_offset: string
  readonly stage: string
  readonly error_code: string
  readonly message: string
  readonly batch_id: string
}

function deadLetters({ name, database }: Bench): Promise<StoredDeadLetter[]> {
  return database.rows<StoredDeadLetter>(
    `SELECT * FROM ${database.engine.own('oncesink_dead_letters')} WHERE job = :job ORDER BY "partition", record_offset`,
    { job: name },
  )
}

const names = async (bench: Bench) =>
  (await deadLetters(bench)).map((row) => `${row.partition}@${row.record_offset}`).sort()

function verified(job: Job) {
  return verifyJob({
    job,
    dialect: createDialect(job, systemRuntime),
    source: createLogToCheck(job, systemRuntime),
    runtime: systemRuntime,
    onProgress: () => {},
  })
}

/** Good records with what cannot be processed at both ends, in a row, and in both partitions. */
async function produceMixed(bench: Bench): Promise<void> {
  await bench.produce([unparsable, rejected])
  await bench.produce(60)
  await bench.produce([rejected, rejected, withNul, unparsable])
  await bench.produce(60)
  await bench.produce([withNul, unparsable])
}

onEveryEngine((engine) => {
  describe('a job that sets aside what it cannot process', () => {
    test('has every good record once in every table, and every other one as a dead letter, and can be verified', async () => {
      const bench = await openBench('dead-letters', { engine, tables })
      await produceMixed(bench)
      const job = bench.job({ poison: deadLetter(), limits: { maxRecordsPerBatch: 50 } })
      const { heard } = await drain(job)
      expect(await bench.actual()).toEqual(bench.expected(good(bench)))
      expect(await names(bench)).toEqual(bad(bench))
      const letters = await deadLetters(bench)
      expect(new Set(letters.map((row) => `${row.error_code} ${row.stage}`))).toEqual(
        new Set(["JOB_FUNCTION_FAILED aggregate 'total' (pipeline 1)", 'ROWS_REJECTED sink']),
      )
      // MySQL and MariaDB keep NUL in a text; there it is only too long.
      const nul = letters.some((row) => row.message.includes('cannot hold the character NUL'))
      expect(nul).toBe(engine.name === 'postgres')

      const told = heard.deadLettered.flatMap(({ letters: of }) => of)
      expect(told.map(({ partition, offset }) => `${partition}@${offset}`).sort()).toEqual(bad(bench))
      expect(heard.batch.reduce((sum, batch) => sum + batch.deadLetters, 0)).toBe(bad(bench).length)
      expect(heard.batch.reduce((sum, batch) => sum + batch.records, 0)).toBe(bench.produced.length)

      expect(await verified(job)).toMatchObject({
        outcome: 'ok',
        lost: 0n,
        duplicated: 0n,
        deadLetters: { total: bad(bench).length },
      })
    })

    test('is found out by verify when a dead letter is deleted, or counted as well', async () => {
      const bench = await openBench('dead-letters-tampered', { engine, partitions: 1, tables })
      await bench.produce([{ k: 'a', v: 1 }, unparsable, rejected, { k: 'a', v: 2 }])
      const job = bench.job({ poison: deadLetter(), pipelines: intoTotals })
      await drain(job)
      expect((await verified(job)).outcome).toBe('ok')
      const { knex } = bench.database
      await knex.raw(`UPDATE totals SET n = n + 1 WHERE k = 'a'`)
      expect(await verified(job)).toMatchObject({ outcome: 'violation', duplicated: 1n })
      await knex.raw(`UPDATE totals SET n = n - 1 WHERE k = 'a'`)
      await knex.raw(`DELETE FROM ${engine.own('oncesink_dead_letters')} WHERE record_offset = 2`)
      const report = await verified(job)
      expect(report.outcome).toBe('violation')
      expect(report.deadLetters.violations.first).toMatchObject([{ class: 'dead-letter-count' }])
    })
  })
})

describe('a job that sets aside what it cannot process', () => {
  test('blames nobody where halves pass that failed as a whole', async () => {
    const bench = await openBench('dead-letters-halves', { partitions: 1, tables })
    await bench.produce(16)
    // A rule that looks at all rows of a transaction: at most three at once.
    const atMostThree = write<Order>(async (trx, rows) => {
      await trx.raw('SELECT 1 / (CASE WHEN ?::int > 3 THEN 0 ELSE 1 END)', [rows.length])
    })
    const pipelines = (orders: Stream<Order>) => [
      intoTotals(orders),
      intoSeen(orders),
      orders.into(atMostThree),
    ]
    await drain(bench.job({ poison: deadLetter(), pipelines }))
    expect(await bench.actual()).toEqual(bench.expected())
    expect(await names(bench)).toEqual([])
  })
})

describe('the code of a job in the transaction', () => {
  const insert = (fail: (order: Order, trx: Knex) => Promise<unknown>) => (orders: Stream<Order>) => [
    intoTotals(orders),
    orders.into(
      write(async (trx, rows) => {
        for (const order of rows) await fail(order, trx)
        await trx('seen').insert(rows.map(({ v }) => ({ partition: 0, log_offset: 0, v })))
      }),
    ),
  ]

  test('sends a statement that the database rejects because of one record: that record is set aside', async () => {
    const bench = await openBench('dead-letters-write', { partitions: 1, tables })
    await bench.produce(20)
    const pipelines = insert(({ v }, trx) => trx.raw('SELECT 1 / (?::int - 22)', [v]))
    await drain(bench.job({ poison: deadLetter(), pipelines }))
    expect(await names(bench)).toEqual(['0@7'])
    expect((await bench.seen()).map(({ v }) => v)).not.toContain(22)
    expect(await bench.seen()).toHaveLength(19)
  })

  test('throws by itself: the job stops, and no record is blamed', async () => {
    const bench = await openBench('dead-letters-throws', { partitions: 1, tables })
    await bench.produce(20)
    const pipelines = insert(async ({ v }) => {
      if (v === 22) throw new Error('no such customer')
    })
    const { failure } = await observe(bench.job({ poison: deadLetter(), pipelines }))
    expect(await failure()).toMatchObject({
      code: 'JOB_FUNCTION_FAILED',
      message: expect.stringContaining('no such customer'),
    })
    expect(await names(bench)).toEqual([])
    expect(await bench.positions()).toEqual([0])
  })
})

describe('the budget', () => {
  test('of a batch stops the job before anything of the batch is written', async () => {
    const bench = await openBench('dead-letters-batch-budget', { partitions: 1, tables })
    await bench.produce([unparsable, { k: 'a', v: 1 }, unparsable, unparsable])
    const { failure } = await observe(bench.job({ poison: deadLetter({ maxPerBatch: 2 }) }))
    expect(await failure()).toMatchObject({
      code: 'DEAD_LETTER_LIMIT',
      record: { offset: 0n },
      message: expect.stringMatching(/poison.maxPerBatch allows \(2\)/),
    })
    expect([await names(bench), await bench.positions(), await bench.totals()]).toEqual([[], [0], []])
  })

  test('of a batch counts what bisecting it has found', async () => {
    const bench = await openBench('dead-letters-bisected-budget', { partitions: 1, tables })
    await bench.produce([rejected, { k: 'a', v: 1 }, rejected, { k: 'b', v: 1 }, rejected])
    const { failure } = await observe(bench.job({ poison: deadLetter({ maxPerBatch: 2 }) }))
    expect(await failure()).toMatchObject({
      code: 'DEAD_LETTER_LIMIT',
      record: { offset: 4n },
      message: expect.stringMatching(/rejected 2 records of one batch, which poison.maxPerBatch allows/),
    })
    expect([await names(bench), await bench.positions()]).toEqual([['0@0', '0@2'], [4]])
    expect(await bench.totals()).toEqual([
      { k: 'a', n: 1, total: 1 },
      { k: 'b', n: 1, total: 1 },
    ])
  })

  test('of a window is counted in the database, so that a restart does not begin a new one', async () => {
    const bench = await openBench('dead-letters-window', { partitions: 1, tables })
    const job = bench.job({ poison: deadLetter({ maxPerBatch: 2, maxPerWindow: 3 }) })
    await bench.produce([unparsable, { k: 'a', v: 1 }, unparsable])
    await drain(job)
    await bench.produce([unparsable])
    await drain(job)
    await bench.produce([{ k: 'a', v: 5 }, unparsable])
    for (let restart = 0; restart < 2; restart += 1) {
      const { failure } = await observe(job)
      expect(await failure()).toMatchObject({
        code: 'DEAD_LETTER_LIMIT',
        record: { offset: 5n },
        message: expect.stringMatching(
          /has set 3 records aside in the last 3600000 ms.*maxPerWindow allows 3/,
        ),
      })
      expect([await names(bench), await bench.positions()]).toEqual([['0@0', '0@2', '0@3'], [4]])
    }
    // An hour later.
    await bench.database.knex.raw(
      `UPDATE oncesink.oncesink_dead_letters SET created_at = created_at - interval '61 minutes'`,
    )
    await drain(job)
    expect(await names(bench)).toEqual(['0@0', '0@2', '0@3', '0@5'])
    expect(await bench.totals()).toEqual([{ k: 'a', n: 2, total: 6 }])
  })
})

test('without the policy the same records stop the job, and the message names it', async () => {
  const bench = await openBench('dead-letters-off', { partitions: 1, tables })
  await bench.produce([{ k: 'a', v: 1 }, unparsable])
  const { failure } = await observe(bench.job())
  expect(await failure()).toMatchObject({
    code: 'JOB_FUNCTION_FAILED',
    record: { offset: 1n },
    message: expect.stringContaining('set such records aside with poison: deadLetter()'),
  })
  expect(await names(bench)).toEqual([])
})

/** The job of the tests that run a process. */
const file = join(import.meta.dirname, '../support/poison-job.ts')

const environmentOf = (bench: Bench): NodeJS.ProcessEnv => ({
  ONCESINK_KAFKA_BROKERS: kafkaService().brokers.join(),
  JOB_TOPIC: bench.topic,
  JOB_NAME: bench.name,
  DATABASE_URL: bench.database.url,
})

describe('a process with worker threads', () => {
  test('finds what the database rejects in the ranges of every worker, and sets aside nothing else', async () => {
    const bench = await openBench('dead-letters-threads', { partitions: 3, tables })
    await produceMixed(bench)
    const { code, stderr } = await oncesink(['run', file, '--once'], {
      ...environmentOf(bench),
      JOB_WORKERS: '2',
    })
    expect(code, stderr).toBe(0)
    expect(await bench.totals()).toEqual(bench.expected(good(bench)).totals)
    expect(await names(bench)).toEqual(bad(bench))
    expect(await bench.brokenLinks()).toEqual([])
    const causes = (await deadLetters(bench)).map((row) => `${row.error_code} ${row.stage}`)
    expect(new Set(causes)).toEqual(new Set(["JOB_FUNCTION_FAILED aggregate 'total'", 'ROWS_REJECTED sink']))
    const verified = await oncesink(['verify', file], environmentOf(bench))
    expect(verified.code, verified.stdout + verified.stderr).toBe(0)
  })
})

describe('a process that is killed with SIGKILL', () => {
  test('between dead letters and COMMIT leaves none behind, and every one is there once in the end', async () => {
    const bench = await openBench('dead-letters-killed', { tables })
    const env = environmentOf(bench)
    await produceMixed(bench)
    const peeked = await oncesink(['peek', file, '--rows', '100'], env)
    expect(peeked.code, peeked.stderr).toBe(0)
    // What the database would refuse is not known before it is asked.
    const foreseen = bench.produced.filter(({ v }) => typeof v !== 'number')
    expect(peeked.stderr).toContain(
      `${foreseen.length} records would be left out of all rows, as dead letters:\n`,
    )
    for (const { partition, offset } of foreseen)
      expect(peeked.stderr).toContain(`  ${bench.topic}/${partition}/${offset}: aggregate 'total' failed: `)
    expect(peeked.stdout).toMatch(/^k +n +total\n/)
    for (const point of ['transaction.dead-letters-written', 'transaction.committed'] as const) {
      for (const visit of [1, 2]) {
        const { signal, stderr } = await new JobProcess({
          job: file,
          env,
          fault: { point, visit, signal: 'SIGKILL' },
        }).ended
        expect(signal, stderr).toBe('SIGKILL')
        const positions = await bench.positions()
        for (const row of await deadLetters(bench))
          expect(Number(row.record_offset)).toBeLessThan(positions[row.partition] ?? 0)
      }
    }
    expect((await oncesink(['run', file, '--once'], env)).code).toBe(0)
    expect(await bench.totals()).toEqual(bench.expected(good(bench)).totals)
    expect(await names(bench)).toEqual(bad(bench))
    expect((await oncesink(['verify', file], env)).code).toBe(0)

    const list = await oncesink(['dlq', 'list', file, '--limit', '2'], env)
    expect(list.stdout).toMatch(
      new RegExp(
        `record +status +setAsideAt +bytes +stage +message\n-.*\n${bench.topic}/0/0 +open .* aggregate 'total' `,
      ),
    )
    expect(list.stdout).toContain('... and more (--limit)')
    const all = JSON.parse(
      (await oncesink(['--format', 'json', 'dlq', 'list', file], env)).stdout,
    ) as unknown[]
    expect(all).toHaveLength(bad(bench).length)
    expect((await oncesink(['dlq', 'list', file, '--status', 'dropped'], env)).stdout).toBe(
      '(no dead letters)\n',
    )

    const show = await oncesink(['dlq', 'show', file, `${bench.topic}/0/0`], env)
    expect(show.stdout).toMatch(/\/0\/0: open\n {2}failed in {3}aggregate 'total' \(JOB_FUNCTION_FAILED\)\n/)
    expect(show.stdout).toContain('value       (17 bytes) {"k":"a","v":"x"}')
    expect(show.stdout).toContain('key         null')
    const [content] = JSON.parse(
      (await oncesink(['--format', 'json', 'dlq', 'show', file, `${bench.topic}/0/0`], env)).stdout,
    ) as { valueBase64: string }[]
    expect(Buffer.from(content?.valueBase64 ?? '', 'base64').toString()).toBe('{"k":"a","v":"x"}')

    const unknown = await oncesink(['dlq', 'show', file, `${bench.topic}/0/1`], env)
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('has no dead letter')])
    const nonsense = await oncesink(['dlq', 'show', file, 'orders'], env)
    expect([nonsense.code, nonsense.stderr]).toEqual([
      2,
      expect.stringContaining('write topic/partition/offset'),
    ])
  })
})
