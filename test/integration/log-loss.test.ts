import { ConfigResourceTypes } from 'kafkajs'
import { describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type Ended, logLines } from '../support/job-process.ts'
import { kafkaClient } from '../support/kafka-service.ts'
import { createWorld, type World } from '../support/witness-world.ts'

/** It has ended with this error. */
async function expectHalted(ended: Ended, code: string, message: RegExp): Promise<void> {
  expect(ended.code, ended.stderr).toBe(1)
  const error = logLines(ended).at(-1)
  expect(error).toMatchObject({ level: 'error', event: 'failed', code })
  expect(error?.msg).toMatch(message)
}

/** Starts the job twice: both times it halts, and reads and writes nothing. */
async function expectHaltsAtEveryStart(world: World, code: string, message: RegExp): Promise<void> {
  const before = await world.snapshot()
  for (const args of [['--once'], []]) {
    const process = world.run({ args })
    await expectHalted(await process.ended, code, message)
    expect(process.log.filter(({ event }) => event === 'batch')).toEqual([])
  }
  const after = await world.snapshot()
  expect(after.witness).toEqual(before.witness)
  expect(after.totals).toEqual(before.totals)
  expect(after.ledger).toEqual(before.ledger)
  expect(after.positions.map(({ nextOffset }) => nextOffset)).toEqual(
    before.positions.map(({ nextOffset }) => nextOffset),
  )
}

describe('retention that has passed the stored position', () => {
  test('halts the job at every start with the lost range, and skips nothing in any partition', async () => {
    const world = await createWorld()
    await world.produce(30)
    await world.drain()
    await world.produce(60)
    await world.deleteRecords(1, 17)
    const lost = new RegExp(`records \\[10, 17\\) of ${world.topic}/1 are no longer in the log`)
    await expectHaltsAtEveryStart(world, 'OFFSET_OUT_OF_RANGE', lost)
  })

  test("halts the job by the topic's own retention too", async () => {
    // Segments are rolled and deleted by time, whether or not they are being written to.
    const world = await createWorld({ partitions: 1 })
    await world.produce(10)
    await world.drain()
    await world.produce(5)
    const admin = kafkaClient().admin()
    await admin.connect()
    // Only now: before the first commit it would take records that the job has not met.
    const configEntries = ['retention.ms', 'segment.ms'].map((name) => ({ name, value: '1000' }))
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: world.topic, configEntries }],
    })
    await eventually(async () => {
      const [bounds] = await admin.fetchTopicOffsets(world.topic)
      return bounds?.low === '15'
    })
    await admin.disconnect()
    const lost = new RegExp(`records \\[10, 15\\) of ${world.topic}/0 are no longer in the log`)
    await expectHaltsAtEveryStart(world, 'OFFSET_OUT_OF_RANGE', lost)
  })

  test('that has not passed the position is no reason to halt', async () => {
    const world = await createWorld({ partitions: 1 })
    await world.produce(30)
    await world.drain()
    await world.deleteRecords(0, 30)
    await world.produce(10)
    await world.drain()
    expect((await world.expectExact()).witness).toHaveLength(40)
  })

  test('halts a running job that is behind, after what it had read is committed', async () => {
    // Little fetched ahead, in batches of which one waits for a lock.
    const world = await createWorld({ partitions: 1, maxRecords: 10, maxBufferedBytes: 65_536 })
    await world.produce(10)
    const process = world.run()
    await world.drained()
    const lock = await world.database.knex.transaction()
    await lock.raw('LOCK TABLE witness IN ACCESS EXCLUSIVE MODE')
    for (let i = 0; i < 10; i++) await world.produce(1_000)
    await world.deleteRecords(0, 10_010)
    await world.produce(10)
    await lock.rollback()
    const ended = await process.ended
    const { positions } = await world.expectExact()
    const position = positions[0]?.nextOffset
    expect(Number(position)).toBeGreaterThan(10)
    expect(Number(position)).toBeLessThan(10_010)
    const lost = new RegExp(`records \\[${position}, 10010\\) of ${world.topic}/0 are no longer in the log`)
    await expectHalted(ended, 'OFFSET_OUT_OF_RANGE', lost)
    await expectHaltsAtEveryStart(world, 'OFFSET_OUT_OF_RANGE', lost)
  })
})

describe('a topic that was deleted, created again and filled with the same records and more', () => {
  /** Only the topic's id tells the new one from the old one. */
  async function recreate(world: World): Promise<void> {
    const admin = kafkaClient().admin()
    await admin.connect()
    try {
      await admin.deleteTopics({ topics: [world.topic] })
      await eventually(async () => !(await admin.listTopics()).includes(world.topic))
      await eventually(() =>
        admin.createTopics({ waitForLeaders: true, topics: [{ topic: world.topic, numPartitions: 3 }] }),
      )
    } finally {
      await admin.disconnect()
    }
    await eventually(() => world.produceAgain().then(() => true))
  }
  const message = (world: World) => new RegExp(`topic .${world.topic}. was deleted and created again`)

  test('halts the job at every start', async () => {
    const world = await createWorld()
    await world.produce(30)
    await world.drain()
    await recreate(world)
    await world.produce(30)
    await expectHaltsAtEveryStart(world, 'TOPIC_RECREATED', message(world))
  })

  test('halts a job while it is running', async () => {
    const world = await createWorld()
    await world.produce(30)
    const process = world.run()
    await world.drained()
    await recreate(world)
    await world.produce(30)
    await expectHalted(await process.ended, 'TOPIC_RECREATED', message(world))
    const { positions, witness } = await world.snapshot()
    expect(positions.map(({ nextOffset }) => nextOffset)).toEqual([10n, 10n, 10n])
    expect(witness).toHaveLength(30)
  })
})
