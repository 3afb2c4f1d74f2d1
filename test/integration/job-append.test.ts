import { expect, test } from 'vitest'
import { OncesinkError } from '../../src/errors.ts'
import type { FaultPoint } from '../../src/runtime/fault-points.ts'
import { SeededRandom } from '../../src/runtime/seeded-random.ts'
import { onEveryEngine } from '../support/engines.ts'
import { eventually } from '../support/eventually.ts'
import { type Bench, observe, openBench, withFaults } from '../support/running-job.ts'

onEveryEngine((engine) => {
  const crashes = [
    'batch.fetched',
    'batch.computed',
    'claim.before-commit',
    'claim.after-commit',
    'transaction.begun',
    'transaction.advanced',
    'transaction.copying',
    'transaction.rows-written',
    'transaction.ledger-written',
    'transaction.committed',
    'batch.acknowledged',
  ] as const satisfies readonly FaultPoint[]

  /** One life of the job: until it crashes, or is stopped after some batches. Returns how it ended. */
  async function live(bench: Bench, random: SeededRandom, crashAt: FaultPoint | null): Promise<string> {
    // There are two batches in every life at least, but only one claim for certain.
    let countdown = crashAt?.startsWith('claim') ? 1 : random.integer(1, 2)
    const runtime = withFaults((point) => {
      // From then on, always: what a batch meets that is abandoned, because the one before it has failed, does not count.
      if (point === crashAt && --countdown <= 0) throw new Error(`crash at ${point}`)
      const inTransaction = point === 'transaction.rows-written' || point === 'transaction.ledger-written'
      if (inTransaction && random.fraction() < 0.2)
        throw new OncesinkError('TRANSACTION_ABORTED', 'a deadlock')
    })
    const source = { fetch: { maxWaitMs: 20 } }
    const job = bench.job({ source, limits: { maxRecordsPerBatch: 15 } })
    try {
      const { running, heard } = await observe(job, { runtime })
      if (crashAt) await running.done
      const enough = random.integer(1, 4)
      await eventually(() => heard.batch.length >= enough)
      await running.stop()
      return 'stopped'
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }

  test('append writes one row per record with its coordinates, through stops, crashes and aborted transactions', async () => {
    const seed = Math.floor(Math.random() * 2 ** 31)
    const random = new SeededRandom(seed)
    const bench = await openBench('append', { engine, partitions: 4 })
    const ends: string[] = []
    // Every crash once, in random order, and stops between them.
    const lives = [...crashes, ...Array<null>(5).fill(null)]
      .map((crashAt) => ({ crashAt, order: random.fraction() }))
      .sort((a, b) => a.order - b.order)
    for (const { crashAt } of lives) {
      await bench.produce(random.integer(60, 90))
      ends.push(await live(bench, random, crashAt))
    }
    const { running } = await observe(bench.job())
    await bench.untilCommitted()
    await running.stop()
    const crashed = crashes.filter((point) => ends.some((end) => end.includes(`crash at ${point}`)))
    expect(crashed, `seed ${seed}`).toEqual(crashes)
    expect(await bench.actual(), `seed ${seed}`).toEqual(bench.expected())
    // All of them, and not the few that one life had left.
    const batches = (await bench.ledger()).filter(({ kind }) => kind === 'batch')
    expect(new Set(batches.map(({ epoch }) => epoch)).size).toBeGreaterThan(5)
  })
})
