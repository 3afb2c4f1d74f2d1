import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { preflight } from '../../src/job/preflight.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { EventBus, type JobEvents } from '../../src/telemetry/events.ts'
import { wire } from '../../src/wire.ts'
import { onEveryEngine } from '../support/engines.ts'
import { type Bench, openBench } from '../support/running-job.ts'

onEveryEngine((engine) => {
  /** The parts of one process of the bench's job, connected, and nothing claimed. */
  async function newProcess(bench: Bench) {
    const events = new EventBus<JobEvents>()
    const job = bench.job()
    const { source, session, claimer } = wire(job, systemRuntime, events, { acceptShapeChange: false })
    onTestFinished(async () => {
      await source.close()
      await session.close()
    })
    await source.open()
    await preflight(job, await session.connection(), events)
    return claimer
  }

  const partitions = (bench: Bench, ...numbers: number[]) =>
    numbers.map((partition) => ({ topic: bench.topic, partition }))

  test('a process that was replaced and does not know it gets no new partition, and its successor keeps its claims', async () => {
    const bench = await openBench('successor', { engine, partitions: 1 })
    const old = await newProcess(bench)
    await old.takeOver(partitions(bench, 0), [])
    await bench.addPartitions(2)
    const successor = await newProcess(bench)
    const claimed = await successor.takeOver(partitions(bench, 0, 1), [])
    expect(claimed.claims.map(({ partition }) => partition)).toEqual([0, 1])

    const refused = await old.takeOver(partitions(bench, 1), partitions(bench, 0))
    expect(refused).toMatchObject({ claims: [], lost: [{ topic: bench.topic, partition: 0 }] })
    const again = await successor.claimAgain(partitions(bench, 0, 1))
    expect(again.lost).toEqual([])
    expect(again.claims.map(({ epoch }) => epoch)).toEqual(claimed.claims.map(({ epoch }) => epoch + 1n))
  })

  test("after a restore, a row that carries an unknown claim is somebody else's, also when its epoch is lower", async () => {
    const bench = await openBench('restored', { engine, partitions: 1 })
    const first = await newProcess(bench)
    const [original] = (await first.takeOver(partitions(bench, 0), [])).claims
    const second = await newProcess(bench)
    await second.takeOver(partitions(bench, 0), [])
    await second.claimAgain(partitions(bench, 0))
    const restore = (claimId: string | null) =>
      bench.database
        .knex(engine.own('oncesink_offsets'))
        .where({ job: bench.name })
        .update({ epoch: 1, claim_id: claimId })

    // Back to before its own claim: the predecessor's, or none at all, is no sign of somebody else.
    for (const claimId of [original?.claimId ?? null, null]) {
      await restore(claimId)
      expect((await second.claimAgain(partitions(bench, 0))).lost).toEqual([])
    }
    await restore(randomUUID())
    expect(await second.claimAgain(partitions(bench, 0))).toMatchObject({
      claims: [],
      lost: [{ partition: 0 }],
    })
  })
})
