import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Job } from '../../src/job/job.ts'
import { deadLetter } from '../../src/job/poison.ts'
import { type FaultPoints, noFaults } from '../../src/runtime/fault-points.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { write } from '../../src/sink/write.ts'
import {
  type FileHandoffOptions,
  type FileHandoffPlan,
  fileHandoff,
} from '../../src/strategy/file-handoff/file-handoff.ts'
import { EventBus, type JobEvents } from '../../src/telemetry/events.ts'
import { wireLoader } from '../../src/wire.ts'
import { onEveryEngine, postgresEngine } from '../support/engines.ts'
import { eventually } from '../support/eventually.ts'
import {
  type Bench,
  type BenchJobOptions,
  drain,
  observe,
  openBench,
  startFailure,
} from '../support/running-job.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** Paths of all files below `folder`, sorted. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort()
}

async function waiting(folder: string): Promise<string[]> {
  return (await filesBelow(folder)).filter((path) => path.endsWith('.handoff'))
}

type Options = Partial<FileHandoffOptions> & BenchJobOptions

/** A job whose batches have ten records at most. */
function handoff(bench: Bench, directory: string, options: Options = {}): Job {
  const { loader, maxFiles, maxBytes, keepLoadedMs, keepSetAsideMs, ...rest } = options
  const given = { directory, loader, maxFiles, maxBytes, keepLoadedMs, keepSetAsideMs }
  return bench.job({ limits: { maxRecordsPerBatch: 10 }, ...rest, strategy: fileHandoff(given) })
}

/** What `oncesink load` runs. */
function startLoader(job: Job, once: boolean, reach: FaultPoints['reach'] = noFaults.reach) {
  const runtime = { ...systemRuntime, faultPoints: { reach } }
  const events = new EventBus<JobEvents>()
  const loaded: JobEvents['fileLoaded'][] = []
  const aside: JobEvents['fileSetAside'][] = []
  events.on('fileLoaded', (event) => loaded.push(event))
  events.on('fileSetAside', (event) => aside.push(event))
  const { session, loader } = wireLoader(job, job.strategy as FileHandoffPlan, runtime, events)
  const stopping = new AbortController()
  const done = loader.run({ stop: stopping.signal, once, patienceMs: 10_000 }).finally(() => session.close())
  done.catch(() => {})
  const stop = () => {
    stopping.abort()
    return done
  }
  onTestFinished(() => stop().catch(() => {}))
  return { loaded, aside, done, stop }
}

async function exact(bench: Bench): Promise<void> {
  expect(await bench.actual()).toEqual(bench.expected())
}

onEveryEngine((engine) => {
  describe('files of a job', () => {
    test('are loaded in the same process, each with its range, and then removed', async () => {
      const bench = await openBench('handoff', { engine })
      await bench.produce(200)
      const directory = await temporaryFolder()
      const { heard } = await drain(handoff(bench, directory))
      await exact(bench)
      expect(await filesBelow(directory)).toEqual([])
      expect(heard.fileLoaded.map(({ records }) => records).reduce((a, b) => a + b, 0)).toBe(200)
    })

    test('are loaded by another process, by two at once, and kept where that is wanted', async () => {
      const bench = await openBench('handoff', { engine })
      await bench.produce(200)
      const directory = await temporaryFolder()
      const job = handoff(bench, directory, { loader: 'external', keepLoadedMs: 3_600_000 })
      await drain(job)
      expect(await bench.positions()).toEqual([0, 0])
      const files = await waiting(directory)
      expect(files.length).toBeGreaterThanOrEqual(20)
      const loaders = [startLoader(job, true), startLoader(job, true)]
      await Promise.all(loaders.map(({ done }) => done))
      await exact(bench)
      const kept = (await filesBelow(directory)).map((path) => path.replace('.loaded', '.handoff'))
      expect(kept).toEqual(files)
      expect(loaders.flatMap(({ loaded }) => loaded)).toHaveLength(files.length)
    })

    test('that follow the position are loaded before the next claim, and nothing is computed twice', async () => {
      const bench = await openBench('handoff', { engine })
      await bench.produce(100)
      const directory = await temporaryFolder()
      await drain(handoff(bench, directory, { loader: 'external' }))
      await bench.produce(20)
      const { heard } = await drain(handoff(bench, directory))
      await exact(bench)
      expect(heard.claimed[0]?.claims.map(({ nextOffset }) => nextOffset)).toEqual([50n, 50n])
      expect(await filesBelow(directory)).toEqual([])
    })

    test('of an owner that was replaced are set aside, and their ranges read again', async () => {
      const bench = await openBench('handoff', { engine })
      await bench.produce(100)
      const [directory, elsewhere] = [await temporaryFolder(), await temporaryFolder()]
      const old = handoff(bench, directory, { loader: 'external' })
      await drain(old)
      await drain(handoff(bench, elsewhere))
      await exact(bench)
      const loader = startLoader(old, true)
      await loader.done
      await exact(bench)
      expect(loader.loaded).toEqual([])
      expect(await waiting(directory)).toEqual([])
      expect(loader.aside.every(({ reason }) => reason === 'owned-by-other')).toBe(true)
      expect(loader.aside.length).toBeGreaterThanOrEqual(10)
    })

    test('of an owner that is replaced while one is being loaded are not loaded, although no position has moved', async () => {
      const bench = await openBench('handoff', { engine })
      await bench.produce(40)
      const [directory, elsewhere] = [await temporaryFolder(), await temporaryFolder()]
      const old = handoff(bench, directory, { loader: 'external' })
      const successor = handoff(bench, elsewhere, { loader: 'external' })
      await drain(old)
      let replaced: Promise<unknown> | null = null
      const late = startLoader(old, true, async (point) => {
        if (point !== 'handoff.loading') return
        replaced ??= drain(successor)
        await replaced
      })
      await late.done
      expect(late.loaded).toEqual([])
      expect(late.aside.length).toBeGreaterThanOrEqual(4)
      expect(late.aside.every(({ reason }) => reason === 'owned-by-other')).toBe(true)
      expect(await bench.positions()).toEqual([0, 0])
      await startLoader(successor, true).done
      await exact(bench)
    })

    for (const where of ['inProcess', 'external'] as const) {
      test(`with a row that the database rejects become smaller, until it is a dead letter (${where})`, async () => {
        const bench = await openBench('handoff', {
          engine,
          tables: ({ text }) => `
            CREATE TABLE totals (k ${text} PRIMARY KEY, n bigint NOT NULL, total bigint NOT NULL);
            CREATE TABLE seen ("partition" int NOT NULL, log_offset bigint NOT NULL, v bigint NOT NULL CHECK (v <> 28))`,
        })
        await bench.produce(60)
        const poison = deadLetter()
        const job = handoff(bench, await temporaryFolder(), { loader: where, poison })
        const loader = where === 'external' ? startLoader(job, false) : null
        const { heard, running } = await observe(job)
        await bench.untilCommitted()
        await running.stop()
        await loader?.stop()
        const { totals, seen, broken } = bench.expected(bench.produced.filter(({ v }) => v !== 28))
        expect(await bench.actual()).toEqual({ totals, seen, broken })
        const letters = await bench.database.knex(
          engine.name === 'postgres' ? 'oncesink.oncesink_dead_letters' : 'oncesink_dead_letters',
        )
        expect(letters).toHaveLength(1)
        expect(letters[0]).toMatchObject({ partition: 1, status: 'open' })
        expect(heard.batchFailed.length).toBeGreaterThanOrEqual(2)
      })
    }
  })
})

describe('a job that hands files over', () => {
  test('pauses when too many wait, says so, and goes on when they are loaded', async () => {
    const bench = await openBench('handoff')
    await bench.produce(400)
    const directory = await temporaryFolder()
    const job = handoff(bench, directory, { loader: 'external', maxFiles: 6 })
    const { heard, running } = await observe(job)
    await eventually(() => heard.handoffPaused.length > 0)
    expect((await waiting(directory)).length).toBeLessThanOrEqual(8)
    const loader = startLoader(job, false)
    await bench.untilCommitted()
    await running.stop()
    await loader.stop()
    await exact(bench)
    expect(heard.handoffResumed.length).toBeGreaterThan(0)
  })

  test('goes on computing while the database is locked, and pauses at its bytes', async () => {
    const bench = await openBench('handoff')
    const directory = await temporaryFolder()
    const job = handoff(bench, directory, { maxBytes: 4_000 })
    const { heard, running } = await observe(job)
    const release = await postgresEngine.blockWrites(bench.database, 'totals')
    await bench.produce(400)
    await eventually(() => heard.handoffPaused.length > 0)
    expect(heard.batch.length).toBeGreaterThan(2)
    expect(heard.fileLoaded).toHaveLength(0)
    await release()
    await bench.untilCommitted()
    await running.stop()
    await exact(bench)
  })

  test('stops at a damaged file with its name; without the file it reads the range again', async () => {
    const bench = await openBench('handoff')
    await bench.produce(100)
    const directory = await temporaryFolder()
    await drain(handoff(bench, directory, { loader: 'external' }))
    const [path = ''] = await waiting(directory)
    const bytes = await readFile(path)
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
    await writeFile(path, bytes)
    const error = await startFailure(handoff(bench, directory), { once: true })
    expect(error).toMatchObject({ code: 'HANDOFF_FILE_DAMAGED', exitCode: 1 })
    expect(error.message).toContain(path)
    const loader = startLoader(handoff(bench, directory, { loader: 'external' }), true)
    await expect(loader.done).rejects.toMatchObject({ code: 'HANDOFF_FILE_DAMAGED' })
    await rm(path)
    await drain(handoff(bench, directory))
    await exact(bench)
  })

  test('and its loader stop where a file is missing, with the name of the one after it', async () => {
    const bench = await openBench('handoff')
    await bench.produce(100)
    const directory = await temporaryFolder()
    const external = handoff(bench, directory, { loader: 'external' })
    await drain(external)
    const [first = '', second = ''] = await waiting(directory)
    await rm(first)
    await expect(startLoader(external, true).done).rejects.toMatchObject({
      code: 'HANDOFF_FILE_OUT_OF_ORDER',
      message: expect.stringContaining(second) as string,
    })
    await drain(handoff(bench, directory))
    await exact(bench)
    expect((await filesBelow(directory)).filter((path) => path.endsWith('.aside'))).toContain(
      second.replace('.handoff', '.aside'),
    )
  })

  test('stops at a file of another job, of another shape, or under a name that is not its own', async () => {
    const bench = await openBench('handoff', { partitions: 1 })
    await bench.produce(30)
    const directory = await temporaryFolder()
    const external = handoff(bench, directory, { loader: 'external' })
    await drain(external)
    const [first = '', second = ''] = await waiting(directory)
    const refused = async (job: Job, message: RegExp) => {
      await expect(startLoader(job, true).done).rejects.toMatchObject({
        code: 'HANDOFF_FILE_FOREIGN',
        message: expect.stringMatching(message) as string,
      })
    }
    await refused(
      handoff(bench, directory, {
        loader: 'external',
        pipelines: (orders) => orders.into(write(async () => {})),
      }),
      /another shape/,
    )
    const bytes = await readFile(first)
    await writeFile(first, await readFile(second))
    await refused(external, /which is not its name/)
    await writeFile(first, bytes)
    await startLoader(external, true).done
    await exact(bench)
  })

  test('refuses a row for write() that is no plain data, when it is to be written', async () => {
    const bench = await openBench('handoff')
    await bench.produce(10)
    class Money {}
    const job = handoff(bench, await temporaryFolder(), {
      pipelines: (orders) => orders.map(() => ({ price: new Money() })).into(write(async () => {})),
    })
    const { failure } = await observe(job)
    const error = await failure()
    expect(error.code).toBe('JOB_FUNCTION_FAILED')
    expect(error.message).toContain("field 'price' of a row is an instance of Money")
  })

  test('takes rows of write() as they were given', async () => {
    const bench = await openBench('handoff')
    await bench.produce(10)
    const seen: unknown[] = []
    const row = { big: 2n ** 70n, at: new Date(5), bytes: Buffer.from('b'), zero: -0, none: undefined }
    const job = handoff(bench, await temporaryFolder(), {
      pipelines: (orders) =>
        orders
          .map(() => row)
          .into(
            write(async (_, rows) => {
              seen.push(...rows)
            }),
          ),
    })
    await drain(job)
    expect(seen).toStrictEqual(Array(10).fill(row))
  })

  test('does not start in a directory that cannot be used, and says why', async () => {
    const bench = await openBench('handoff')
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'file'), '')
    const error = await startFailure(handoff(bench, join(folder, 'file', 'below')))
    expect(error.code).toBe('HANDOFF_DIRECTORY_UNUSABLE')
    expect(error.message).toContain('something on the way there is a file and no folder')
  })
})
