import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Connection, PositionMove } from '../../src/database/dialect.ts'
import { MysqlFixture } from '../support/mysql-fixture.ts'
import { claimTopic, inTransaction, PostgresFixture } from '../support/postgres-fixture.ts'

const fixtures = {
  postgres: () => new PostgresFixture(),
  mysql: () => new MysqlFixture('mysql'),
  mariadb: () => new MysqlFixture('mariadb'),
}

const move = (partition: number, change: Partial<PositionMove> = {}): PositionMove => ({
  topic: 'topic',
  partition,
  kind: 'accept_loss',
  from: 0n,
  until: 17n,
  claimId: randomUUID(),
  actor: 'ann@höst',
  reason: "the disk's full 💾",
  cause: 'retention',
  topicId: 'topic-id',
  ...change,
})

describe.each(Object.entries(fixtures))('an act of an operator on %s', (_, open) => {
  const db = open()
  let connection: Connection

  beforeAll(async () => {
    await db.open()
    connection = await db.connect()
  })
  afterAll(() => db.drop())

  test('moves positions forwards and backwards, fences their owner, and stands in the ledger', async () => {
    const job = 'moves'
    const owner = await claimTopic(connection, job, 'topic', 3)
    const acts = [move(0), move(2, { until: 0n, cause: 'recreated', topicId: 'new-id' })]
    await inTransaction(connection, 'claim', async (trx) => {
      await trx.lockPositions(job, acts)
      await trx.movePositions(job, acts)
      await trx.replaceTopicId(job, 'topic', 'new-id')
    })
    const rows = await inTransaction(connection, 'snapshot', (trx) => trx.readPositions(job))
    expect(rows).toMatchObject([
      {
        partition: 0,
        nextOffset: 17n,
        epoch: 2n,
        claimId: acts[0]?.claimId,
        owner: 'ann@höst',
        incarnation: 1,
      },
      { partition: 1, nextOffset: 0n, epoch: 1n, claimId: owner, incarnation: 0 },
      { partition: 2, nextOffset: 0n, epoch: 2n, leaderEpoch: -1, incarnation: 1, topicId: 'new-id' },
    ])
    const ledger = await inTransaction(connection, 'snapshot', (trx) => trx.readLedger(job))
    expect(ledger.filter(({ kind }) => kind === 'accept_loss')).toMatchObject(
      acts.map(({ partition, until, cause, topicId, claimId }) => ({
        partition,
        incarnation: 1,
        epoch: 2n,
        fromOffset: 0n,
        untilOffset: until,
        claimId,
        batchId: null,
        records: 0,
        actor: 'ann@höst',
        reason: "the disk's full 💾",
        cause,
        topicId,
      })),
    )
    const zombie = {
      range: { topic: 'topic', partition: 2, from: 0n, until: 10n },
      epoch: 1n,
      claimId: owner,
      leaderEpoch: 0,
    }
    expect(await inTransaction(connection, 'batch', (trx) => trx.advanceRanges(job, [zombie]))).toBe(0)
  })

  test('is refused by the table without who, why and what for, and from another position than the stored one', async () => {
    const job = 'refused'
    await claimTopic(connection, job, 'topic', 1)
    const bad = [{ from: 5n }, { actor: null }, { reason: null }, { cause: null }, { topicId: null }]
    for (const change of bad) {
      const act = move(0, change as unknown as Partial<PositionMove>)
      const outcome = inTransaction(connection, 'claim', (trx) => trx.movePositions(job, [act]))
      await expect(outcome, JSON.stringify(Object.keys(change))).rejects.toThrow()
    }
    const [row] = await inTransaction(connection, 'snapshot', (trx) => trx.readPositions(job))
    expect(row).toMatchObject({ nextOffset: 0n, epoch: 1n, incarnation: 0 })
  })
})
