import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Connection, LedgerWrite, RangeAdvance } from '../../src/database/dialect.ts'
import { claimTopic, inTransaction, jobRow, PostgresFixture } from '../support/postgres-fixture.ts'

const db = new PostgresFixture()
let connection: Connection

beforeAll(async () => {
  await db.open()
  connection = await db.connect()
})
afterAll(() => db.drop())

function advance(topic: string, claimId: string, changes: Partial<RangeAdvance> = {}): RangeAdvance {
  const range = { topic, partition: 0, from: 0n, until: 10n }
  return { range, epoch: 1n, claimId, leaderEpoch: 3, ...changes }
}

function ledgerRow(topic: string, claimId: string, from: bigint, until: bigint): LedgerWrite {
  const range = { topic, partition: 0, from, until }
  return {
    range,
    kind: 'batch',
    incarnation: 0,
    epoch: 1n,
    claimId,
    batchId: randomUUID(),
    records: 7,
    deadLetters: 0,
    digest: null,
  }
}

describe('claim', () => {
  test('a claim raises the epoch by one, writes its id, and leaves the position alone', async () => {
    const claimId = await claimTopic(connection, 'claims', 'topic', 2)
    const rows = await inTransaction(connection, 'claim', (trx) => trx.readPositions('claims'))
    expect(rows).toHaveLength(2)
    expect(rows[1]).toMatchObject({
      topic: 'topic',
      partition: 1,
      nextOffset: 0n,
      epoch: 1n,
      claimId,
      owner: 'test',
      seq: 0n,
      incarnation: 0,
      leaderEpoch: -1,
      topicId: 'topic-id',
      startReason: 'earliest',
    })
    expect(rows[1]?.updatedAt).toBeInstanceOf(Date)
  })

  test('two processes that register one new job at once do so one after another', async () => {
    const other = await db.connect()
    const first = await connection.begin('claim')
    expect(await first.lockJob('fresh')).toBeNull()
    const second = await other.begin('claim')
    const waiting = second.lockJob('fresh')
    await first.insertJob(jobRow('fresh', ['a', 'b']))
    expect(await first.commit()).toEqual({ kind: 'committed' })
    expect(await waiting).toEqual(jobRow('fresh', ['a', 'b']))
    await second.updateJob({ ...jobRow('fresh', ['b', 'c']), shape: '{"x":1}' })
    expect(await second.findJobsWritingTo(['a', 'b', 'c'], 'fresh')).toEqual([])
    expect(await second.findJobsWritingTo(['a', 'b', 'c'], 'another')).toEqual([
      { job: 'fresh', table: 'b' },
      { job: 'fresh', table: 'c' },
    ])
    await second.rollback()
    await other.close()
  })

  test('a topic remembers the highest number of partitions and refuses another id', async () => {
    await claimTopic(connection, 'topics', 'topic', 3)
    await inTransaction(connection, 'claim', async (trx) => {
      await trx.upsertTopic('topics', { topic: 'topic', topicId: 'topic-id', knownPartitions: 2 })
      expect(await trx.lockTopics('topics')).toEqual([
        { topic: 'topic', topicId: 'topic-id', knownPartitions: 3 },
      ])
    })
    const trx = await connection.begin('claim')
    const recreated = trx.upsertTopic('topics', { topic: 'topic', topicId: 'other', knownPartitions: 3 })
    await expect(recreated).rejects.toMatchObject({ code: 'INVARIANT_VIOLATED' })
    await trx.rollback()
  })

  test('a start is replaced only while nothing was committed from it, and is recorded where it is', async () => {
    const claimId = await claimTopic(connection, 'starts', 'topic', 1)
    const start = { topic: 'topic', partition: 0, nextOffset: 40n, reason: 'latest' as const }
    await inTransaction(connection, 'claim', (trx) => trx.replaceStart('starts', start))
    const [position] = await inTransaction(connection, 'claim', (trx) => trx.readPositions('starts'))
    expect(position).toMatchObject({ nextOffset: 40n, startReason: 'latest' })
    const ledger = await inTransaction(connection, 'snapshot', (trx) => trx.readLedger('starts'))
    expect(ledger).toMatchObject([
      { kind: 'start', fromOffset: 40n, untilOffset: 40n, reason: 'latest', epoch: 0n },
    ])
    const range = { topic: 'topic', partition: 0, from: 40n, until: 41n }
    await inTransaction(connection, 'batch', (trx) =>
      trx.advanceRanges('starts', [advance('topic', claimId, { range })]),
    )
    const trx = await connection.begin('claim')
    await expect(trx.replaceStart('starts', start)).rejects.toMatchObject({ code: 'INVARIANT_VIOLATED' })
    await trx.rollback()
  })
})

describe('compare-and-set', () => {
  test('a range that matches moves next_offset, seq and leader epoch, and only those', async () => {
    const claimId = await claimTopic(connection, 'match', 'topic', 1)
    await inTransaction(connection, 'batch', async (trx) => {
      expect(await trx.advanceRanges('match', [advance('topic', claimId)])).toBe(1)
      await trx.writeLedger('match', [ledgerRow('topic', claimId, 0n, 10n)])
    })
    const [row] = await inTransaction(connection, 'snapshot', (trx) => trx.readPositions('match'))
    expect(row).toMatchObject({
      nextOffset: 10n,
      seq: 1n,
      leaderEpoch: 3,
      epoch: 1n,
      claimId,
      incarnation: 0,
    })
    const ledger = await inTransaction(connection, 'snapshot', (trx) => trx.readLedger('match'))
    expect(ledger).toMatchObject([
      { kind: 'start', fromOffset: 0n, untilOffset: 0n, claimId: null, batchId: null, records: 0 },
      { kind: 'batch', fromOffset: 0n, untilOffset: 10n, claimId, epoch: 1n, records: 7 },
    ])
  })

  test.each([
    ['next_offset', { range: { topic: 'topic', partition: 0, from: 1n, until: 10n } }],
    ['epoch', { epoch: 2n }],
    ['an older epoch', { epoch: 0n }],
    ['claim_id', { claimId: randomUUID() }],
    ['partition', { range: { topic: 'topic', partition: 9, from: 0n, until: 10n } }],
    ['topic', { range: { topic: 'other', partition: 0, from: 0n, until: 10n } }],
  ])('a range with a wrong %s matches no row', async (what, changes) => {
    const job = `wrong ${what}`
    const claimId = await claimTopic(connection, job, 'topic', 1)
    const trx = await connection.begin('batch')
    expect(await trx.advanceRanges(job, [advance('topic', claimId, changes)])).toBe(0)
    await trx.rollback()
  })

  test('a batch that waited for a claim finds its epoch gone', async () => {
    const claimId = await claimTopic(connection, 'zombie', 'topic', 1)
    const claimer = await db.connect()
    const claim = await claimer.begin('claim')
    await claim.lockPositions('zombie', [{ topic: 'topic', partition: 0 }])
    const newId = randomUUID()
    await claim.claimPositions('zombie', [{ topic: 'topic', partition: 0, claimId: newId, owner: 'new' }])
    const batch = await connection.begin('batch')
    const matched = batch.advanceRanges('zombie', [advance('topic', claimId)])
    await db.untilBlocked(connection)
    expect(await claim.commit()).toEqual({ kind: 'committed' })
    expect(await matched).toBe(0)
    await batch.rollback()
    await claimer.close()
  })

  test('rows are locked in partition order, whatever their order on disk', async () => {
    const partitions = 8
    const claimId = await claimTopic(connection, 'order', 'topic', partitions)
    // Rewrites the rows one by one, the last partition first.
    for (let partition = partitions - 1; partition >= 0; partition -= 1) {
      await db.rows(
        `UPDATE ${db.schema}.oncesink_offsets SET owner = 'moved' WHERE job = 'order' AND partition = $1`,
        [partition],
      )
    }
    await db.rows(`ANALYZE ${db.schema}.oncesink_offsets`)
    const holder = await db.connect()
    const holding = await holder.begin('claim')
    await holding.lockPositions('order', [{ topic: 'topic', partition: 4 }])
    const batch = await connection.begin('batch')
    const all = Array.from({ length: partitions }, (_, partition) =>
      advance('topic', claimId, { range: { topic: 'topic', partition, from: 0n, until: 1n } }),
    )
    // Not even the order in which they are given.
    const advanced = batch.advanceRanges('order', all.reverse())
    await db.untilBlocked(connection)
    const free = await db.rows<{ partition: number }>(
      `SELECT partition FROM ${db.schema}.oncesink_offsets WHERE job = 'order' ORDER BY 1 FOR UPDATE SKIP LOCKED`,
    )
    expect(free.map((row) => row.partition)).toEqual([5, 6, 7])
    await holding.rollback()
    expect(await advanced).toBe(partitions)
    await batch.rollback()
    await holder.close()
  })
})

describe('ledger', () => {
  test('a range cannot be written twice: the second time is refused as an error of oncesink’s own tables', async () => {
    const claimId = await claimTopic(connection, 'twice', 'topic', 1)
    await inTransaction(connection, 'batch', (trx) =>
      trx.writeLedger('twice', [ledgerRow('topic', claimId, 0n, 10n)]),
    )
    const trx = await connection.begin('batch')
    const again = trx.writeLedger('twice', [ledgerRow('topic', claimId, 0n, 20n)])
    await expect(again).rejects.toMatchObject({ code: 'DATABASE_REFUSED' })
    await trx.rollback()
  })

  test('pruning cuts the chain from its beginning, and keeps the newest row, starts and other jobs', async () => {
    const ranges: [bigint, bigint][] = [
      [0n, 10n],
      [10n, 20n],
      [20n, 30n],
      [30n, 40n],
    ]
    for (const job of ['pruned', 'kept']) {
      const claimId = await claimTopic(connection, job, 'topic', 1)
      await inTransaction(connection, 'batch', (trx) =>
        trx.writeLedger(
          job,
          ranges.map(([from, until]) => ledgerRow('topic', claimId, from, until)),
        ),
      )
    }
    const age = (from: string, by: string) =>
      db.rows(
        `UPDATE ${db.schema}.oncesink_batches SET committed_at = now() - $2::interval WHERE job = 'pruned' AND from_offset >= $1`,
        [from, by],
      )
    await age('0', '10 days')
    // A clock that jumped: the second range looks young, the third old.
    await db.rows(
      `UPDATE ${db.schema}.oncesink_batches SET committed_at = now() WHERE job = 'pruned' AND from_offset = 10`,
    )
    const kept = async () => {
      const rows = await inTransaction(connection, 'snapshot', (trx) => trx.readLedger('pruned'))
      return rows.map((row) => `${row.kind} ${row.fromOffset}`)
    }
    expect(await connection.pruneLedger('pruned', 7 * 86_400_000)).toBe(1)
    expect(await kept()).toEqual(['start 0', 'batch 10', 'batch 20', 'batch 30'])
    await age('0', '10 days')
    expect(await connection.pruneLedger('pruned', 7 * 86_400_000)).toBe(2)
    expect(await kept()).toEqual(['start 0', 'batch 30'])
    expect(await connection.pruneLedger('pruned', 0)).toBe(0)
    expect(await inTransaction(connection, 'snapshot', (trx) => trx.readLedger('kept'))).toHaveLength(5)
  })
})
