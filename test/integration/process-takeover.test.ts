import { performance } from 'node:perf_hooks'
import { expect, test } from 'vitest'
import type { FaultPoint } from '../../src/runtime/fault-points.ts'
import { onEveryEngine } from '../support/engines.ts'
import { eventually } from '../support/eventually.ts'
import type { JobProcess } from '../support/job-process.ts'
import { createWorld } from '../support/witness-world.ts'

onEveryEngine((engine) => {
  /** From the start of the second process, its own loading included, to its first commit. */
  const TAKEOVER_LIMIT_MS = 5_000
  /** From the claim of the second process to the end of the first: with records it notices at its next commit ... */
  const BUSY_NOTICE_LIMIT_MS = 2_500
  /** ... and without it looks every 3 s. */
  const IDLE_NOTICE_LIMIT_MS = 6_000

  const stops: readonly (readonly [FaultPoint, string])[] = [
    ['transaction.begun', 'before it has locked anything'],
    ['transaction.advanced', 'holding the locks of its positions'],
    ['transaction.copying', 'inside a COPY'],
    ['transaction.ledger-written', 'just before its COMMIT'],
    ['transaction.committed', 'just after its COMMIT'],
  ]

  for (const [point, where] of stops) {
    test(`a process stopped ${where} is replaced within seconds, and when it wakes it commits nothing more and exits with 3`, async () => {
      const world = await createWorld({ engine, assignment: 'all', maxRecords: 100, padding: 1_500 })
      await world.produce(1_000)
      const first = world.run({ fault: { point, visit: 2, signal: 'SIGSTOP' } })
      await first.logged('fault')
      await first.stopped()
      const startedAt = performance.now()
      const second = world.run()
      await second.logged('batch')
      expect(performance.now() - startedAt).toBeLessThan(TAKEOVER_LIMIT_MS)
      await world.drained()

      first.kill('SIGCONT')
      await expectOwnershipLost(first)
      await world.produce(50)
      await world.drained()
      second.kill('SIGTERM')
      expect((await second.ended).code).toBe(0)
      // The first has written nothing under its claim once the second had claimed, or the chain would say so.
      const { positions } = await world.expectComplete()
      expect(positions.map(({ epoch, owner }) => [Number(epoch), owner?.endsWith(`:${second.pid}`)])).toEqual(
        Array(3).fill([2, true]),
      )
    })
  }

  test('a process that wakes after another has claimed commits nothing, though no position has moved yet', async () => {
    const world = await createWorld({ engine, assignment: 'all', maxRecords: 100 })
    await world.produce(1_000)
    const first = world.run({ fault: { point: 'transaction.begun', visit: 2, signal: 'SIGSTOP' } })
    await first.logged('fault')
    await first.stopped()
    const second = world.run({ fault: { point: 'claim.after-commit', signal: 'SIGSTOP' } })
    await second.logged('fault')
    await second.stopped()
    const before = await world.snapshot()
    // Only the epoch and the claim id keep the first from going on where it was.
    first.kill('SIGCONT')
    await expectOwnershipLost(first)
    expect((await world.snapshot()).ledger).toEqual(before.ledger)
    second.kill('SIGCONT')
    await world.drained()
    second.kill('SIGTERM')
    expect((await second.ended).code).toBe(0)
    await world.expectComplete()
  })

  test('a second process takes a busy job over at once: the first one exits with 3, and nothing is counted twice', async () => {
    const world = await createWorld({ engine, assignment: 'all', maxRecords: 100 })
    await world.produce(500)
    const first = world.run()
    await first.logged('batch')
    let busy = true
    const producing = (async () => {
      while (busy) await world.produce(20)
    })()
    try {
      const second = world.run()
      await second.logged('claimed')
      const claimedAt = performance.now()
      await expectOwnershipLost(first)
      expect(performance.now() - claimedAt).toBeLessThan(BUSY_NOTICE_LIMIT_MS)
      busy = false
      await producing
      await world.drained()
      second.kill('SIGTERM')
      expect((await second.ended).code).toBe(0)
    } finally {
      busy = false
      await producing
    }
    await world.expectComplete()
  })

  test('a second process takes an idle job over: the first one notices without a record, and exits with 3', async () => {
    const world = await createWorld({ engine, assignment: 'all' })
    await world.produce(50)
    const first = world.run()
    await first.logged('batch')
    await world.drained()
    const second = world.run()
    await second.logged('claimed')
    const claimedAt = performance.now()
    await expectOwnershipLost(first)
    expect(performance.now() - claimedAt).toBeLessThan(IDLE_NOTICE_LIMIT_MS)
    // The second does not notice anything, and works.
    await world.produce(50)
    await world.drained()
    expect(second.end).toBeNull()
    second.kill('SIGTERM')
    expect((await second.ended).code).toBe(0)
    await world.expectComplete()
  })

  test('two processes that start at one moment settle on one owner', async () => {
    const world = await createWorld({ engine, assignment: 'all', maxRecords: 100 })
    await world.produce(1_000)
    const processes = [world.run(), world.run()]
    await world.drained()
    const ended = await eventually(() => processes.find(({ end }) => end !== null))
    await expectOwnershipLost(ended)
    const [owner] = processes.filter((process) => process !== ended)
    await world.produce(50)
    await world.drained()
    expect(owner?.end).toBeNull()
    await world.expectComplete()
  })

  async function expectOwnershipLost(process: JobProcess): Promise<void> {
    const { code, stderr } = await process.ended
    expect(code, stderr).toBe(3)
    expect(process.log.at(-1)).toMatchObject({ level: 'error', event: 'failed', code: 'OWNERSHIP_LOST' })
    expect(process.log.at(-1)?.msg).toMatch(/another process .*has claimed .* of job 'witnessed'/)
  }
})
