import type { Knex } from 'knex'
import { describe, expect, test } from 'vitest'
import type { OncesinkError } from '../../src/errors.ts'
import type { Stream } from '../../src/pipeline/stream.ts'
import { write } from '../../src/sink/write.ts'
import { onEveryEngine } from '../support/engines.ts'
import { kafkaTransaction } from '../support/kafka-admin.ts'
import {
  type Bench,
  drain,
  intoSeen,
  intoSeenWithText,
  intoTotals,
  type Order,
  observe,
  openBench,
} from '../support/running-job.ts'

onEveryEngine((engine) => {
  /** What a job has left behind. */
  async function traces(bench: Bench) {
    return {
      rows: [await bench.totals(), await bench.seen()].flat(),
      positions: await bench.positions(),
      batches: (await bench.ledger()).filter(({ kind }) => kind === 'batch'),
    }
  }

  const nothing = (partitions: number) => ({ rows: [], positions: Array(partitions).fill(0), batches: [] })

  const insertSeen = (trx: Knex) => trx('seen').insert({ partition: 0, log_offset: 0, v: 0 })

  describe('a statement that fails inside write', () => {
    const swallow = async (trx: Knex) => {
      await insertSeen(trx)
      try {
        await trx('no_such_table').insert({ x: 1 })
      } catch {
        // The transaction must not forget what the job's code forgets.
      }
      await insertSeen(trx)
    }
    test.each([
      [
        'and is not caught',
        async (trx: Knex) => insertSeen(trx).then(() => trx('no_such_table').insert({ x: 1 })),
      ],
      ['and is swallowed by the job’s own code', swallow],
      [
        'and is swallowed as the last one',
        async (trx: Knex) => insertSeen(trx).then(() => trx.raw('oops').catch(() => {})),
      ],
    ])('leaves no row, no position and no ledger row behind: %s', async (_, work) => {
      const bench = await openBench('write-fails', { engine })
      await bench.produce(10)
      const pipelines = (orders: Stream<Order>) => [intoTotals(orders), orders.into(write(work))]
      const { failure, heard } = await observe(bench.job({ pipelines }))
      expect(await failure()).toMatchObject({
        code: 'DATABASE_REFUSED',
        message: expect.stringMatching(/run the job's statement (insert into ["`]no_such_table["`]|oops)/),
      })
      expect(await traces(bench)).toEqual(nothing(2))
      expect(heard.batch).toEqual([])
    })

    test('because of one record’s value names that record, and only what came before is committed', async () => {
      const bench = await openBench('write-rejects', { engine, partitions: 1 })
      await bench.produce(20)
      const pipelines = (orders: Stream<Order>) => [
        intoTotals(orders),
        orders.into(
          write(async (trx, rows) => {
            for (const { v } of rows) {
              try {
                await trx.raw('INSERT INTO seen SELECT 0, (? - 1) / 3, 1 / (? - 22)', [v, v])
              } catch {
                // As above.
              }
            }
          }),
        ),
      ]
      const { failure } = await observe(bench.job({ pipelines }))
      const error = await failure()
      expect(error).toMatchObject({
        code: 'ROWS_REJECTED',
        record: { topic: bench.topic, partition: 0, offset: 7n },
        message: expect.stringMatching(/division by (?:zero|0).*offset 7, alone in \S+\/0 \[7, 8\)/is),
      })
      expect(await bench.positions()).toEqual([7])
      expect(await bench.totals()).toEqual(bench.expected(bench.produced.slice(0, 7)).totals)
      expect((await bench.seen()).map(({ offset }) => offset)).toEqual([0, 1, 2, 3, 4, 5, 6])
      expect(await bench.brokenLinks()).toEqual([])
    })

    test('by an error of the job’s own code is the job’s error, and leaves nothing behind', async () => {
      const bench = await openBench('write-throws', { engine })
      await bench.produce(10)
      const work = async (trx: Knex) => {
        await insertSeen(trx)
        throw new Error('no, thanks')
      }
      const pipelines = (orders: Stream<Order>) => orders.into(write(work))
      const { failure } = await observe(bench.job({ pipelines }))
      expect(await failure()).toMatchObject({
        code: 'JOB_FUNCTION_FAILED',
        message: expect.stringContaining('no, thanks'),
      })
      expect(await traces(bench)).toEqual(nothing(2))
    })
  })

  test('several pipelines commit together: where the second fails, nothing of the first is there', async () => {
    const bench = await openBench('together', { engine })
    await bench.produce(10)
    const withLast = (last: (trx: Knex) => Promise<unknown>) => (orders: Stream<Order>) => [
      intoTotals(orders),
      intoSeen(orders),
      orders.into(write(last)),
    ]
    const refusing = withLast(async (trx) => {
      const [{ count } = { count: 0 }] = await trx('totals').count({ count: '*' })
      // The first pipeline's rows are there, as far as this transaction sees.
      await trx.raw(`SELECT no_such_function(${Number(count)})`)
    })
    const { failure } = await observe(bench.job({ pipelines: refusing }))
    expect((await failure()).message).toContain('no_such_function(5)')
    expect(await traces(bench)).toEqual(nothing(2))
    await drain(bench.job({ pipelines: withLast(async () => {}) }))
    expect(await bench.actual()).toEqual(bench.expected())
  })

  describe('a record that a function of the job rejects', () => {
    test('stops the job with its coordinates; its batch is not committed, and a mended job goes on', async () => {
      const bench = await openBench('rejected', { engine })
      await bench.produce(20)
      const picky = (orders: Stream<Order>) => {
        const checked = orders.map((order) => {
          if (order.v === 999) throw new Error('999 is not a value')
          return order
        })
        return [intoTotals(checked), intoSeen(checked)]
      }
      const observed = await observe(bench.job({ pipelines: picky }))
      await bench.untilCommitted()
      const before = bench.produced.length
      await bench.produce([...Array<Order>(4).fill({ k: 'a', v: 1 }), { k: 'a', v: 999 }], 1)
      const error = await observed.failure()
      expect(error).toMatchObject({
        code: 'JOB_FUNCTION_FAILED',
        record: { topic: bench.topic, partition: 1, offset: 14n },
        message: expect.stringMatching(
          new RegExp(`map \\(step 1.*\\) failed at ${bench.topic}/1 offset 14: 999 is not a value`),
        ),
      })
      expect(error.exitCode).toBe(1)
      expect(await bench.actual()).toEqual(bench.expected(bench.produced.slice(0, before)))

      await bench.produce(20)
      const mended = (orders: Stream<Order>) => {
        const good = orders.filter(({ v }) => v !== 999)
        return [intoTotals(good), intoSeen(good)]
      }
      await drain(bench.job({ pipelines: mended }))
      const good = bench.produced.filter(({ v }) => v !== 999)
      expect(await bench.actual()).toEqual(bench.expected(good))
    })
  })

  describe('a row that the database rejects', () => {
    const isPostgres = engine.name === 'postgres'
    const withText = `
      CREATE TABLE totals (k ${engine.types.text} PRIMARY KEY, n bigint NOT NULL, total bigint NOT NULL);
      CREATE TABLE seen ("partition" int NOT NULL, log_offset bigint NOT NULL, v numeric(6, 0) NOT NULL,
        k varchar(5), late int, CONSTRAINT no_sevens CHECK (v <> 777777));
      ${isPostgres ? 'ALTER TABLE seen ADD CONSTRAINT late_unique UNIQUE (late) DEFERRABLE INITIALLY DEFERRED;' : ''}
      INSERT INTO seen VALUES (-1, -1, 0, null, 7);`

    /** Appends text too; `filter` is how the job is mended. */
    const appending = (keep: (order: Order) => boolean) => (orders: Stream<Order>) => {
      const good = orders.filter(keep)
      const late = good.into(
        write(async (trx, rows) => {
          const lates = rows.filter(({ k }) => k === 'late')
          if (lates.length > 0) await trx('seen').where({ partition: -1 }).update({ late: 1 })
          for (const { v } of lates) await trx('seen').insert({ partition: -1, log_offset: v, v, late: 1 })
        }),
      )
      return [intoSeenWithText(good), intoTotals(good), late]
    }

    const everywhere: readonly [string, Order, RegExp][] = [
      ['a number that overflows its column', { k: 'a', v: 1_000_000 }, /numeric field overflow|Out of range/],
      ['a text that is too long', { k: 'abcdef', v: 1 }, /too long|the column takes 5/],
      ['a row that a constraint refuses', { k: 'a', v: 777_777 }, /no_sevens/],
    ]
    // MySQL and MariaDB take NUL, and check everything at once.
    const inPostgres: readonly [string, Order, RegExp][] = [
      ['a text with a NUL', { k: 'a\0b', v: 1 }, /cannot hold the character NUL/],
      ['a row whose constraint is checked at COMMIT', { k: 'late', v: 1 }, /late_unique/],
    ]
    test.each(isPostgres ? [...everywhere, ...inPostgres] : everywhere)(
      'is searched for by halves: everything before %s is committed',
      async (_, bad, reason) => {
        const bench = await openBench('bisect', { engine, tables: withText })
        await bench.produce(40)
        await bench.produce([bad], 0)
        await bench.produce(30)
        const { failure, heard } = await observe(bench.job({ pipelines: appending(() => true) }))
        const error: OncesinkError = await failure()
        expect(error).toMatchObject({
          code: 'ROWS_REJECTED',
          record: { topic: bench.topic, partition: 0, offset: 20n },
          message: expect.stringMatching(reason),
        })
        expect(error.message).toContain(`${bench.topic}/0 [20, 21)`)
        // Partition 0 is searched first and stands before the record; 1 waits where it was, or has gone on before.
        const [first, second = 0] = await bench.positions()
        expect(first).toBe(20)
        const committed = bench.produced.filter(
          ({ partition: p, offset }) => offset < (p === 0 ? 20 : second),
        )
        expect(await ofRecords(bench)).toEqual(bench.expected(committed))
        expect(heard.batchFailed.every(({ error: why }) => why !== null && reason.test(why.message))).toBe(
          true,
        )

        await drain(bench.job({ pipelines: appending(({ k, v }) => k !== bad.k || v !== bad.v) }))
        const good = bench.produced.filter(({ k, v }) => k !== bad.k || v !== bad.v)
        expect(await ofRecords(bench)).toEqual(bench.expected(good))
      },
    )

    test('is named by its own offset, not by that of a transaction marker behind it', async () => {
      const bench = await openBench('marker', { engine, partitions: 1, tables: withText })
      await bench.produce(3)
      const transaction = await kafkaTransaction(bench.name)
      const value = JSON.stringify({ k: 'abcdef', v: 1 })
      await transaction.send({ topic: bench.topic, messages: [{ partition: 0, value }] })
      await transaction.commit()
      const { failure } = await observe(bench.job({ pipelines: appending(() => true) }))
      expect((await failure()).record).toEqual({ topic: bench.topic, partition: 0, offset: 3n })
    })

    test('holds up only what comes after it: the other half of the batch is committed', async () => {
      const bench = await openBench('other-half', { engine, tables: withText })
      await bench.produce(10, 0)
      await bench.produce([{ k: 'abcdef', v: 1 }], 1)
      const { failure } = await observe(bench.job({ pipelines: appending(() => true) }))
      expect((await failure()).record).toEqual({ topic: bench.topic, partition: 1, offset: 0n })
      expect(await bench.positions()).toEqual([10, 0])
      expect(await ofRecords(bench)).toEqual(bench.expected(bench.produced.slice(0, 10)))
    })
  })

  /** Like {@link Bench.actual}, without the rows that a test has put there. */
  async function ofRecords(bench: Bench) {
    const { seen, ...rest } = await bench.actual()
    return { ...rest, seen: seen.filter(({ partition }) => partition >= 0) }
  }
})
