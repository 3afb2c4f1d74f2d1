import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import type { Confirm } from '../../src/database/protocol/claim.ts'
import { preflight } from '../../src/job/preflight.ts'
import type { TopicPartition } from '../../src/model/topic-partition.ts'
import { type Runtime, systemRuntime } from '../../src/runtime/runtime.ts'
import { EventBus, type JobEvents } from '../../src/telemetry/events.ts'
import { wire } from '../../src/wire.ts'
import { onEveryEngine } from '../support/engines.ts'
import { type Bench, Gate, openBench, withFaults } from '../support/running-job.ts'

onEveryEngine((engine) => {
  /** The parts of one process of the bench's job, connected, and nothing claimed. */
  async function newProcess(bench: Bench, runtime: Runtime = systemRuntime) {
    const events = new EventBus<JobEvents>()
    const job = bench.job()
    const { source, session, claimer } = wire(job, runtime, events, { acceptShapeChange: false })
    onTestFinished(async () => {
      await source.close()
      await session.close()
    })
    await source.open()
    await preflight(job, await session.connection(), events)
    return {
      takeOver: async (
        gained: TopicPartition[],
        held: TopicPartition[] = [],
        confirm: Confirm | null = null,
      ) => {
        const result = await claimer.takeOver(gained, held, confirm)
        if (!result) throw new Error('the claim was not confirmed')
        return result
      },
      claimAgain: (partitions: TopicPartition[]) => claimer.claimAgain(partitions),
    }
  }

  const yes = () => Promise.resolve(true)

  const partitions = (bench: Bench, ...numbers: number[]) =>
    numbers.map((partition) => ({ topic: bench.topic, partition }))

  test('a process that was replaced and does not know it gets no new partition, and its successor keeps its claims', async () => {
    const bench = await openBench('successor', { engine, partitions: 1 })
    const old = await newProcess(bench)
    await old.takeOver(partitions(bench, 0))
    await bench.addPartitions(2)
    const successor = await newProcess(bench)
    const claimed = await successor.takeOver(partitions(bench, 0, 1))
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
    const [original] = (await first.takeOver(partitions(bench, 0))).claims
    const second = await newProcess(bench)
    await second.takeOver(partitions(bench, 0))
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
      lost: [{ partition: 0, rewound: true }],
    })
  })

  test('nothing is claimed without the word of whoever hands partitions out', async () => {
    const bench = await openBench('unconfirmed', { engine, partitions: 1 })
    const owner = await newProcess(bench)
    const [claim] = (await owner.takeOver(partitions(bench, 0), [], yes)).claims
    const other = await newProcess(bench)
    const no = () => Promise.resolve(false)
    await expect(other.takeOver(partitions(bench, 0), [], no)).rejects.toThrow('was not confirmed')
    const [again] = (await owner.claimAgain(partitions(bench, 0))).claims
    expect(again?.epoch).toBe((claim?.epoch ?? 0n) + 1n)
  })

  test('a process that was stopped after it was told that partitions are its own does not fence whoever was given them since', async () => {
    const bench = await openBench('late', { engine, partitions: 2 })
    const gate = new Gate()
    const late = await newProcess(
      bench,
      withFaults((point) => (point === 'claim.confirmed' ? gate.pass() : undefined)),
    )
    const successor = await newProcess(bench)
    await successor.takeOver(partitions(bench, 1), [], yes)
    const claiming = late.takeOver(partitions(bench, 0, 1), [], yes).then(
      () => null,
      (error: unknown) => error,
    )
    await gate.reached
    const held = await successor.takeOver(partitions(bench, 0), partitions(bench, 1), yes)
    gate.open()
    expect(await claiming).toMatchObject({
      code: 'FENCED',
      disposition: 'recover',
      message: expect.stringMatching(
        /0 of job .* was claimed by .* while this process was about to claim it/,
      ),
    })
    // It has no lock left, and its successor what it had.
    const again = await successor.claimAgain(partitions(bench, 0, 1))
    expect(again.lost).toEqual([])
    expect(again.claims[0]?.epoch).toBe((held.claims[0]?.epoch ?? 0n) + 1n)
  })

  test('processes that claim at the same moment wait for each other, and none is ended', async () => {
    const bench = await openBench('together', { engine, partitions: 3 })
    const processes = await Promise.all(
      [0, 1, 2].map((partition) =>
        newProcess(
          bench,
          // Longer than a claim waits for a batch.
          withFaults((point) =>
            point === 'claim.before-commit' ? systemRuntime.clock.sleep(400) : undefined,
          ),
        ).then((claimer) => ({ claimer, partition })),
      ),
    )
    const results = await Promise.all(
      processes.map(({ claimer, partition }) => claimer.takeOver(partitions(bench, partition), [], yes)),
    )
    expect(results.map(({ claims }) => claims.map(({ partition, epoch }) => [partition, epoch]))).toEqual(
      [0, 1, 2].map((partition) => [[partition, 1n]]),
    )
  })
})
