import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { FaultPoint } from '../../src/runtime/fault-points.ts'
import { cleanUpAfterFile, onEveryEngine, postgresEngine } from '../support/engines.ts'
import type { JobProcess } from '../support/job-process.ts'
import { createWorld, type World, type WorldOptions } from '../support/witness-world.ts'

type HandoffPoint = Extract<FaultPoint, `handoff.${string}`>

// Records, so that a fault point that is added later is missing here for the compiler.
const writerPoints: Record<Extract<HandoffPoint, 'handoff.written' | 'handoff.renamed'>, true> = {
  'handoff.written': true,
  'handoff.renamed': true,
}
const loaderPoints: Record<
  Exclude<HandoffPoint, keyof typeof writerPoints> | 'transaction.advanced' | 'transaction.committed',
  true
> = {
  'handoff.loading': true,
  'transaction.advanced': true,
  'transaction.committed': true,
  'handoff.loaded': true,
}
const names = Object.keys as <K extends string>(record: Record<K, true>) => K[]

async function world(options: WorldOptions): Promise<World> {
  const files = await mkdtemp(join(tmpdir(), 'oncesink-test-'))
  cleanUpAfterFile(() => rm(files, { recursive: true }))
  return createWorld({ maxRecords: 60, files, ...options })
}

async function killed(process: JobProcess, point: FaultPoint): Promise<void> {
  const { signal, stderr } = await process.ended
  expect(signal, stderr).toBe('SIGKILL')
  expect(process.log.at(-1)).toMatchObject({ event: 'fault', point })
}

onEveryEngine((engine) => {
  const kill = 'SIGKILL'

  describe('a job that hands files over, killed with SIGKILL', () => {
    let here: World

    beforeAll(async () => {
      here = await world({ engine })
      await here.produce(3_000)
    })

    // Where files are concerned, one engine is like another.
    const points =
      engine === postgresEngine
        ? [...names(writerPoints), ...names(loaderPoints)]
        : (['transaction.committed', 'handoff.loaded'] as const)
    for (const point of points) {
      test(`at ${point}, with its loader, has every record below its positions once and no other`, async () => {
        await killed(here.run({ fault: { point, visit: 4, signal: kill } }), point)
        await here.expectExact()
      })
    }

    test('goes on from there, and in the end has every record exactly once', async () => {
      await here.produce(100)
      await here.drain()
      await here.expectComplete()
    })
  })

  describe('a job and a loader in processes of their own, each killed with SIGKILL', () => {
    test('has every record exactly once in the end', async () => {
      const apart = await world({ engine, loader: 'external' })
      await apart.produce(1_200)
      await killed(
        apart.run({ fault: { point: 'handoff.renamed', visit: 6, signal: kill } }),
        'handoff.renamed',
      )
      for (const point of names(loaderPoints)) {
        await killed(apart.run({ command: 'load', fault: { point, visit: 1, signal: kill } }), point)
        await apart.expectExact()
      }
      await apart.drain()
      const loader = apart.run({ command: 'load', args: ['--once'] })
      const { code, stderr } = await loader.ended
      expect(code, stderr).toBe(0)
      expect(loader.log.at(-1)).toMatchObject({ event: 'loadEnded' })
      await apart.expectComplete()
    })
  })
})

test('oncesink load ends cleanly when it is told to stop', async () => {
  const apart = await world({ loader: 'external' })
  await apart.produce(100)
  await apart.drain()
  const loader = apart.run({ command: 'load' })
  await loader.logged('fileLoaded')
  loader.kill('SIGTERM')
  expect((await loader.ended).code).toBe(0)
  await apart.expectExact()
})

test('oncesink load says which jobs have files, where the strategy is another one', async () => {
  const other = await createWorld()
  const { code, stderr } = await other.command('load')
  expect(code).toBe(2)
  expect(stderr).toContain('its strategy is collectThenCommit')
})
