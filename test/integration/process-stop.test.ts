import { performance } from 'node:perf_hooks'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startTcpProxy, type TcpProxy } from '../../src/chaos/tcp-proxy.ts'
import type { FaultPoint } from '../../src/runtime/fault-points.ts'
import { eventually } from '../support/eventually.ts'
import type { JobProcess } from '../support/job-process.ts'
import { createWorld, type World } from '../support/witness-world.ts'

const inFlight: readonly (readonly [NodeJS.Signals, FaultPoint])[] = [
  // Its third batch is in the database and not committed ...
  ['SIGTERM', 'transaction.rows-written'],
  // ... or its second is, and its third is computed and about to follow.
  ['SIGINT', 'batch.computed'],
]

for (const [signal, point] of inFlight) {
  test(`${signal} finishes the batch in flight and exits with 0; the next start goes on exactly there`, async () => {
    const world = await createWorld({ maxRecords: 60 })
    await world.produce(2_000)
    await world.slowDown(250)
    const process = world.run({ fault: { point, visit: 3, signal } })
    const { code, stderr } = await process.ended
    expect(code, stderr).toBe(0)
    const { positions, ledger } = await world.expectExact()
    // The batch in flight is committed, and nothing was begun that was then rolled back.
    const batches = process.log.filter(({ event }) => event === 'batch')
    expect(batches.length).toBeGreaterThanOrEqual(3)
    expect(new Set(ledger.flatMap(({ batchId }) => batchId ?? []))).toEqual(
      new Set(batches.map(({ batchId }) => batchId)),
    )
    const transactions = countOf(process, 'transaction.begun')
    expect(transactions).toBe(batches.length)
    expect(countOf(process, 'transaction.committed')).toBe(transactions)
    expect(await sessionsOfOncesink(world)).toEqual([])

    await world.slowDown(0)
    const next = world.run({ args: ['--once'] })
    expect((await next.ended).code).toBe(0)
    const stored = positions.map(({ topic, partition, nextOffset }) => [
      `${topic}/${partition}`,
      Number(nextOffset),
    ])
    expect(await next.logged('claimed')).toMatchObject({ positions: Object.fromEntries(stored) })
    await world.expectComplete()
  })
}

test('a stop while nothing arrives ends an idle process at once', async () => {
  const world = await createWorld()
  await world.produce(10)
  const process = world.run()
  await process.logged('batch')
  await world.drained()
  const took = await timeToEnd(process, 'SIGTERM')
  expect(process.end?.code).toBe(0)
  expect(took).toBeLessThan(2_000)
})

test('a stop while the job is still starting exits with 0, whether it has claimed or not', async () => {
  const world = await createWorld()
  await world.produce(10)
  const process = world.run({ fault: { point: 'claim.before-commit', signal: 'SIGTERM' } })
  expect((await process.ended).code).toBe(0)
  await world.expectExact()
})

test('a second signal exits at once although the batch cannot finish, and nothing is lost or repeated by it', async () => {
  const world = await createWorld({ maxRecords: 60 })
  await world.produce(500)
  const process = world.run({ fault: { point: 'batch.acknowledged', visit: 2, signal: 'SIGSTOP' } })
  await process.logged('fault')
  const lock = await world.database.knex.transaction()
  await lock.raw('LOCK TABLE witness IN ACCESS EXCLUSIVE MODE')
  process.kill('SIGCONT')
  await eventually(() => waitingForLock(world))
  process.kill('SIGTERM')
  await eventually(() => process.log.some(({ msg }) => String(msg).startsWith('SIGTERM: finishing')))
  expect(process.end).toBeNull()
  const took = await timeToEnd(process, 'SIGINT')
  expect(process.end).toMatchObject({ code: 1 })
  expect(took).toBeLessThan(1_000)
  await lock.rollback()
  await world.expectExact()
  await world.drain()
  await world.expectComplete()
})

describe('while the database is away', () => {
  test('SIGTERM exits with 0 when connections are refused', async () => {
    const { world, proxy, process } = await behindProxy()
    await proxy.close()
    await world.produce(10)
    await process.logged('retrying')
    const took = await timeToEnd(process, 'SIGTERM')
    expect(process.end?.code, process.end?.stderr).toBe(0)
    expect(took).toBeLessThan(3_000)
    await world.drain()
    await world.expectComplete()
  })

  test('SIGTERM exits with 0 when a database that was idle has fallen silent', async () => {
    const { world, proxy, process } = await behindProxy()
    proxy.blackhole()
    const took = await timeToEnd(process, 'SIGTERM')
    expect(process.end?.code, process.end?.stderr).toBe(0)
    expect(took).toBeLessThan(5_000)
    await world.expectComplete()
  })

  test('a COMMIT that gets no answer ends the stop at its deadline, which is named; the next start knows what became of it', async () => {
    const { world, proxy, process } = await behindProxy({ shutdownTimeoutMs: 1_500 })
    await world.produce(10)
    await process.logged('fault')
    proxy.blackhole()
    process.kill('SIGCONT')
    const took = await timeToEnd(process, 'SIGTERM')
    expect(process.end?.code, process.end?.stderr).toBe(1)
    expect(took).toBeLessThan(4_000)
    expect(process.log.at(-1)).toMatchObject({ code: 'SHUTDOWN_DEADLINE' })
    expect(process.log.at(-1)?.msg).toContain('limits.shutdownTimeoutMs')
    await proxy.close()
    await world.drain()
    await world.expectComplete()
  })
})

/** A process whose way to the database is a proxy, and that has nothing to do. It stops itself at its next COMMIT. */
async function behindProxy(options: { shutdownTimeoutMs?: number } = {}): Promise<{
  world: World
  proxy: TcpProxy
  process: JobProcess
}> {
  const world = await createWorld({ ...options, partitions: 1 })
  const url = new URL(world.database.url)
  const proxy = await startTcpProxy({ target: { host: url.hostname, port: Number(url.port || 5432) } })
  onTestFinished(() => proxy.close().catch(() => {}))
  url.host = `${proxy.host}:${proxy.port}`
  await world.produce(10)
  const process = world.run({
    env: { DATABASE_URL: url.href },
    fault: { point: 'transaction.ledger-written', visit: 2, signal: 'SIGSTOP' },
  })
  await process.logged('batch')
  await world.drained()
  return { world, proxy, process }
}

/** Milliseconds from the signal to the end. */
async function timeToEnd(process: JobProcess, signal: NodeJS.Signals): Promise<number> {
  const startedAt = performance.now()
  process.kill(signal)
  await process.ended
  return performance.now() - startedAt
}

function countOf(process: JobProcess, point: FaultPoint): number {
  return process.log.filter((line) => line.event === 'point' && line.point === point).length
}

async function sessionsOfOncesink({ database }: World): Promise<unknown[]> {
  const { rows } = await database.knex.raw<{ rows: unknown[] }>(
    `SELECT application_name, state FROM pg_stat_activity
     WHERE datname = current_database() AND application_name LIKE 'oncesink:%'`,
  )
  return rows
}

async function waitingForLock({ database }: World): Promise<boolean> {
  const { rows } = await database.knex.raw<{ rows: unknown[] }>(
    `SELECT pid FROM pg_stat_activity
     WHERE datname = current_database() AND application_name LIKE 'oncesink:%' AND wait_event_type = 'Lock'`,
  )
  return rows.length > 0
}
