import { expect, test } from 'vitest'
import type { JobOptions } from '../../src/job/define-job.ts'
import { deadLetter } from '../../src/job/poison.ts'
import type { FaultPoint } from '../../src/runtime/fault-points.ts'
import { type RepartitionToOneOptions, repartitionToOne } from '../../src/strategy/repartition-to-one.ts'
import type { StrategyPlan, StreamedBatch, StreamStrategy } from '../../src/strategy/strategy.ts'
import { onEveryEngine } from '../support/engines.ts'
import { eventually } from '../support/eventually.ts'
import { type Bench, drain, Gate, observe, openBench, withFaults } from '../support/running-job.ts'
import { createWorld } from '../support/witness-world.ts'

/** A batch has everything that there is, from the first one on; its chunks are small. */
function oneBatch(options: RepartitionToOneOptions = {}) {
  return {
    strategy: repartitionToOne({ chunkRecords: 40, ...options }),
    trigger: { intervalMs: 10 },
    rate: { backpressure: true, initialRatePerPartition: 1_000_000 },
  } as const satisfies Partial<JobOptions>
}

/** Stops at the `visit`-th visit of `point`, until the gate is opened, or never again. */
function stopAt(point: FaultPoint, visit: number, gate: Gate) {
  let visits = 0
  return withFaults((reached) => {
    if (reached !== point) return undefined
    visits += 1
    return visits === visit ? gate.pass() : undefined
  })
}

/** The same strategy, which tells how many rows it has in hand: handed out, and not yet written. */
function counting(plan: StrategyPlan, onChunk: (records: number) => void): StrategyPlan {
  return {
    name: plan.name,
    create(parts) {
      const strategy = plan.create(parts) as StreamStrategy
      return {
        ...strategy,
        commit(batch: StreamedBatch) {
          const chunks = batch.chunks
          async function* counted() {
            for await (const chunk of chunks) {
              onChunk(chunk.reduce((sum, { records }) => sum + records, 0))
              yield chunk
            }
          }
          return strategy.commit({ ...batch, contents: () => batch.contents(), chunks: counted() })
        },
      }
    },
  }
}

onEveryEngine((engine) => {
  const open = () => openBench('repartition', { engine, partitions: 3 })
  const batchesOf = async (bench: Bench) => {
    const rows = (await bench.ledger()).filter(({ kind }) => kind === 'batch')
    return new Set(rows.map((row) => row.batch_id)).size
  }

  test('many chunks are one transaction: nothing is seen before its COMMIT, everything after it', async () => {
    const bench = await open()
    await bench.produce(400)
    let visible = 0
    const runtime = withFaults(async (point) => {
      if (point === 'transaction.rows-written') visible += (await bench.seen()).length
    })
    const sizes: number[] = []
    const options = oneBatch()
    const strategy = counting(options.strategy, (records) => sizes.push(records))
    const { heard } = await drain(bench.job({ ...options, strategy }), { runtime })
    expect(await bench.actual()).toEqual(bench.expected())
    expect({ batches: await batchesOf(bench), visible, events: heard.batch.length }).toEqual({
      batches: 1,
      visible: 0,
      events: 1,
    })
    expect(sizes.length).toBeGreaterThanOrEqual(10)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(40)
    expect(heard.batch[0]).toMatchObject({ records: 400, rows: 405 })
  })

  test('a position that moved before its range was read gets the leader epoch that was read', async () => {
    const bench = await open()
    await bench.produce(90)
    const { strategy, ...options } = oneBatch()
    const guessing: StrategyPlan = {
      name: 'guessing',
      create(parts) {
        const inner = strategy.create(parts) as StreamStrategy
        const guess = (batch: StreamedBatch) => batch.ranges.map((range) => ({ ...range, leaderEpoch: 99 }))
        return {
          ...inner,
          commit: (batch: StreamedBatch) =>
            inner.commit({ ...batch, contents: () => batch.contents(), ranges: guess(batch) }),
        }
      },
    }
    await drain(bench.job({ ...options, strategy: guessing }))
    const rows = await bench.database.rows<{ leader_epoch: number | string }>(
      `SELECT leader_epoch FROM ${engine.own('oncesink_offsets')} WHERE job = :job`,
      { job: bench.name },
    )
    expect(rows.map((row) => Number(row.leader_epoch))).toEqual([0, 0, 0])
  })

  test('a job that is to stop in the middle rolls back at once, and the next one begins where it began', async () => {
    const bench = await open()
    await bench.produce(400)
    const gate = new Gate()
    const { running, heard } = await observe(bench.job(oneBatch()), {
      runtime: stopAt('batch.computed', 3, gate),
    })
    await gate.reached
    const stopped = running.stop()
    gate.open()
    await stopped
    expect(await bench.positions()).toEqual([0, 0, 0])
    expect([heard.batch, heard.batchFailed, await bench.seen()]).toEqual([[], [], []])
    await drain(bench.job(oneBatch()))
    expect(await bench.actual()).toEqual(bench.expected())
  })

  test('when nothing comes while the transaction is open, it is rolled back, and the batch is read again', async () => {
    const bench = await open()
    await bench.produce(400)
    const gate = new Gate()
    const runtime = stopAt('batch.fetched', 3, gate)
    const { running, heard } = await observe(bench.job(oneBatch({ maxStallMs: 300 })), {
      runtime,
      once: true,
    })
    await gate.reached
    // Nobody else is kept waiting: the rows of the positions can be locked while the chunk is still not there.
    const own = engine.own('oncesink_offsets')
    await eventually(async () => {
      await bench.database.run(`UPDATE ${own} SET owner = 'somebody' WHERE job = '${bench.name}'`)
      return true
    })
    gate.open()
    await running.done
    expect(heard.batchFailed.map(({ reason, error }) => [reason, (error as { code?: string }).code])).toEqual(
      [['aborted', 'TRANSACTION_ABORTED']],
    )
    expect(heard.batchFailed[0]?.error?.message).toContain('(maxStallMs)')
    expect(await bench.actual()).toEqual(bench.expected())
  })

  test('whoever takes over in the middle gets everything; what was written of the batch is gone', async () => {
    const bench = await open()
    await bench.produce(400)
    const gate = new Gate()
    const everything = { source: { assignment: 'all' } } as const
    const first = await observe(bench.job({ ...oneBatch(), ...everything }), {
      runtime: stopAt('transaction.copying', 3, gate),
    })
    await gate.reached
    await drain(bench.job({ ...oneBatch(), ...everything }))
    gate.open()
    expect((await first.failure()).code).toBe('OWNERSHIP_LOST')
    expect(first.heard.batch).toEqual([])
    expect(await bench.actual()).toEqual(bench.expected())
  })

  test('a row that the database rejects is found and set aside, the rest of its batch is written', async () => {
    const bench = await open()
    await bench.produce(200)
    await bench.database.run('ALTER TABLE seen ADD CONSTRAINT no_poison CHECK (v <> 451)')
    const { heard } = await drain(bench.job({ ...oneBatch(), poison: deadLetter() }))
    const poison = bench.produced.filter(({ v }) => v === 451)
    expect(poison).toHaveLength(1)
    expect(heard.deadLettered.flatMap(({ letters }) => letters.map(({ offset }) => Number(offset)))).toEqual(
      poison.map(({ offset }) => offset),
    )
    const rest = bench.produced.filter(({ v }) => v !== 451)
    expect(await bench.actual()).toEqual(bench.expected(rest))
  })

  test('a process that is killed in the middle of a stream leaves nothing of it, and the next one loses nothing', async () => {
    const world = await createWorld({ engine, maxRecords: 300 })
    await world.produce(900)
    const env = { JOB_CHUNK_RECORDS: '25' }
    const faults = [
      { point: 'transaction.copying', visit: 5 },
      { point: 'transaction.ledger-written', visit: 1 },
    ] as const
    for (const fault of faults) {
      const { signal, stderr } = await world.run({ env, fault: { ...fault, signal: 'SIGKILL' } }).ended
      expect(signal, stderr).toBe('SIGKILL')
      const { positions } = await world.expectExact()
      expect(positions.map(({ nextOffset }) => Number(nextOffset))).toEqual([0, 0, 0])
    }
    // The rest is computed by threads: chunks are shared out among them.
    const threads = { ...env, JOB_WORKERS: '2' }
    const { code, stderr } = await world.run({ env: threads, args: ['--once'] }).ended
    expect(code, stderr).toBe(0)
    await world.expectComplete()
  })
})
