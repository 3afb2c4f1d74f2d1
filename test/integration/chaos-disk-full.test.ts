import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { drained } from '../../src/chaos/drained.ts'
import { diskFull } from '../../src/chaos/nemeses/disk-full.ts'
import { databaseSettings, setUp } from '../../src/chaos/setup.ts'
import type { World } from '../../src/chaos/world.ts'
import { verifyJob } from '../../src/check/verify-job.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { SeededRandom } from '../../src/runtime/seeded-random.ts'
import { EventBus } from '../../src/telemetry/events.ts'
import { createDialect, createSource } from '../../src/wire.ts'
import { onEveryEngine, ownServer, type TestEngine } from '../support/engines.ts'
import { eventually } from '../support/eventually.ts'
import { kafkaService } from '../support/kafka-service.ts'

const job = join(import.meta.dirname, '../../examples/events/job.ts')

/** A world of a chaos run on the Kafka of these tests, with a database server that a nemesis may harm. */
async function worldOn(engine: TestEngine) {
  const server = await ownServer(engine, { settings: databaseSettings[engine.name] })
  const world = await setUp({
    job,
    engine: engine.name,
    servers: { brokers: kafkaService().brokers, databaseUrl: server.url },
    ratePerSecond: 300,
    seed: 1,
    brokers: 1,
    signal: new AbortController().signal,
  })
  onTestFinished(() => world.close())
  const harmed: World = { ...world, database: { ...world.database, control: server } }
  return { world, harmed }
}

onEveryEngine((engine) => {
  test('a database without room for another page refuses what the job writes; with room again nothing is lost', async () => {
    const { world, harmed } = await worldOn(engine)
    const { history, lives, stream } = world
    await stream.start()
    lives.join('one')
    await eventually(() => history.commits > 0)
    try {
      await diskFull.inject(harmed, new SeededRandom(1))
    } finally {
      await diskFull.heal?.(harmed)
    }
    // Nobody but the server says that it had no room, and it did so to the job.
    expect(history.faults.get('disk-full')).toBe(1)
    await eventually(() => lives.unexpected.length > 0)
    expect(lives.unexpected[0]).toMatchObject({
      code: 'DATABASE_REFUSED',
      words: expect.stringMatching(
        engine.name === 'postgres'
          ? /could not extend file .*File too large.*start again/s
          : /oncesink_chaos_witness' is full.*start again/s,
      ),
    })

    const before = history.commits
    await eventually(() => history.commits > before)
    await stream.stop()
    expect(await drained(world, 30_000)).toBe(true)
    expect(await lives.stopAll()).toMatchObject([{ code: 0 }])
    const verified = await verifyJob({
      job: world.job,
      dialect: createDialect(world.job, systemRuntime),
      source: createSource(world.job, systemRuntime, new EventBus()),
      runtime: systemRuntime,
      digestsExpected: true,
      onProgress: () => {},
    })
    expect(verified).toMatchObject({ outcome: 'ok', lost: 0n, duplicated: 0n })
    expect(verified.recordsReplayed).toBe(stream.sent)
  })
})
