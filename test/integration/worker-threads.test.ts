import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { SeededRandom } from '../../src/runtime/seeded-random.ts'
import { eventually } from '../support/eventually.ts'
import { type Ended, JobProcess, logLines, oncesink } from '../support/job-process.ts'
import { kafkaService } from '../support/kafka-service.ts'
import { type Bench, openBench } from '../support/running-job.ts'
import { createWorld } from '../support/witness-world.ts'

const jobFile = join(import.meta.dirname, '..', 'support', 'threads-job.ts')

test('what is in the tables does not depend on the number of workers, nor on how the ranges are cut', async () => {
  const seed = Date.now()
  const random = new SeededRandom(seed)
  const world = await createWorld({ partitions: 5 })
  const held: unknown[] = []
  for (const workers of [undefined, 1, 2, 4]) {
    await world.produce(random.integer(500, 1_500))
    const env = {
      JOB_MAX_RECORDS: String(random.integer(50, 400)),
      ...(workers && { JOB_WORKERS: String(workers) }),
    }
    const { code, stderr } = await world.command('run', ['--once'], env)
    expect(code, `seed ${seed}\n${stderr}`).toBe(0)
    held.push((await world.expectExact()).totals)
  }
  expect(held).toHaveLength(4)
  await world.expectComplete()
})

test('two processes of two workers share a job: one joins and leaves, and nothing is lost or counted twice', async () => {
  const world = await createWorld({ partitions: 4, maxRecords: 40, workers: 2 })
  const owners = async () =>
    (await world.snapshot()).positions.map(({ owner }) => /\((.)\)$/.exec(owner ?? '')?.[1])
  const a = world.runMember('a')
  await world.produce(400)
  await a.logged('batch')
  const b = world.runMember('b')
  await eventually(async () => (await owners()).sort().join('') === 'aabb')
  await world.produce(800)
  await b.logged('batch')
  b.kill('SIGTERM')
  expect((await b.ended).code).toBe(0)
  await world.produce(400)
  await world.drained()
  expect((await owners()).join('')).toBe('aaaa')
  a.kill('SIGTERM')
  const { code, stderr } = await a.ended
  expect(code, stderr).toBe(0)
  await world.expectComplete()
})

function environment(bench: Bench): NodeJS.ProcessEnv {
  return {
    JOB_NAME: bench.name,
    JOB_TOPIC: bench.topic,
    DATABASE_URL: bench.database.url,
    ONCESINK_KAFKA_BROKERS: kafkaService().brokers.join(),
  }
}

const failureOf = (ended: Ended) => logLines(ended).find(({ event }) => event === 'failed')

describe('a worker thread', () => {
  const faults = [
    {
      what: 'calls process.exit',
      k: 'exit',
      code: 'WORKER_LOST',
      message:
        /^worker [12] has ended with exit code 7, without being told to: does the job's code call process\.exit\?/,
    },
    {
      what: 'throws where nobody catches',
      k: 'uncaught',
      code: 'WORKER_LOST',
      message:
        /^worker [12] has ended by an exception that nobody caught: TypeError: nobody caught this\. The batch is abandoned/,
    },
    {
      what: 'runs out of memory',
      k: 'memory',
      code: 'WORKER_OUT_OF_MEMORY',
      // How long that takes is the garbage collector's business.
      env: { JOB_HEAP_MB: '64', JOB_WORKER_TIMEOUT_MS: '60000' },
      message: /^worker [12] needed more heap than the 64 MB of maxHeapMb\. The batch is abandoned/,
    },
    {
      what: 'comes to no end',
      k: 'endless',
      code: 'WORKER_TIMEOUT',
      message:
        /^worker [12] has given no sign of life for 3000 ms \(workerTimeoutMs\) at \S+\/1 offset 3: does a function of the job come to no end/,
    },
    {
      what: 'has a record that fails',
      k: 'throw',
      code: 'JOB_FUNCTION_FAILED',
      message:
        /^filter \(step 1\) failed at \S+\/1 offset 3: RangeError: a record that fails\. The record's value is "\{/,
    },
  ] as const

  test.each(faults)(
    'that $what stops the job with $code; the next start resumes',
    async ({ k, code, message, ...fault }) => {
      const bench = await openBench('threads-fault', { partitions: 2 })
      await bench.produce(6)
      const env = { ...environment(bench), ...('env' in fault && fault.env) }
      await bench.produce([{ k, v: 1 }], 1)
      await bench.produce(10)
      const first = await oncesink(['run', jobFile, '--once'], env)
      expect(first.code, first.stderr).toBe(1)
      expect(failureOf(first), first.stderr).toMatchObject({ code, msg: expect.stringMatching(message) })
      expect(await bench.brokenLinks()).toEqual([])
      const second = await oncesink(['run', jobFile, '--once'], { ...env, JOB_MENDED: 'yes' })
      expect(second.code, second.stderr).toBe(0)
      expect(await bench.totals()).toEqual(bench.expected().totals)
      expect(await bench.brokenLinks()).toEqual([])
    },
  )

  test('that ends while the next batch is not due for an hour ends the process at once', async () => {
    const bench = await openBench('threads-interval', { partitions: 2 })
    await bench.produce([{ k: 'later', v: 1 }])
    const ended = await oncesink(['run', jobFile], { ...environment(bench), JOB_INTERVAL_MS: '3600000' })
    expect(ended.code, ended.stderr).toBe(1)
    expect(failureOf(ended)).toMatchObject({ code: 'WORKER_LOST' })
    expect(await bench.totals()).toEqual(bench.expected().totals)
  })

  test('that does not come back from loading the job is noticed, before anything is claimed', async () => {
    const bench = await openBench('threads-loading', { partitions: 2 })
    const ended = await oncesink(['run', jobFile], {
      ...environment(bench),
      JOB_LOADING: 'endless',
      JOB_STARTUP_MS: '3000',
    })
    expect(ended.code, ended.stderr).toBe(1)
    expect(failureOf(ended)).toMatchObject({
      code: 'WORKER_TIMEOUT',
      msg: expect.stringMatching(
        /^worker [12] has not loaded the job within 3000 ms \(limits\.startupTimeoutMs\)/,
      ),
    })
    expect(
      await bench.database.rows("SELECT 1 FROM information_schema.schemata WHERE schema_name = 'oncesink'"),
    ).toEqual([])
  })

  test('that makes another job of the module is refused', async () => {
    const bench = await openBench('threads-another', { partitions: 2 })
    const ended = await oncesink(['run', jobFile], { ...environment(bench), JOB_LOADING: 'another' })
    expect(ended.code, ended.stderr).toBe(2)
    expect(failureOf(ended)?.msg).toMatch(
      /^the job that a worker thread has loaded from file:\S+threads-job\.ts is not the job that was started: its name differ/,
    )
  })
})

test('a stop ends the workers, and leaves nothing behind that keeps the process alive', async () => {
  const bench = await openBench('threads-stop', { partitions: 2 })
  await bench.produce(6)
  const running = new JobProcess({ job: jobFile, env: environment(bench) })
  await running.logged('batch')
  running.kill('SIGINT')
  const { code, signal, stderr } = await running.ended
  expect({ code, signal }, stderr).toEqual({ code: 0, signal: null })
  expect(stderr).not.toContain('"level":"warn"')
})

describe('a program that starts a job with worker threads', () => {
  const names = 'count, defineJob, from, json, kafka, merge, postgres, start, sum, workerThreads'
  const definition = (options: string) => `defineJob({
    name: process.env.JOB_NAME,
    database: postgres({ connectionString: process.env.DATABASE_URL }),
    executor: workerThreads({ count: 2${options} }),
    pipeline: from(kafka({ brokers: process.env.ONCESINK_KAFKA_BROKERS.split(','), topics: [process.env.JOB_TOPIC] }))
      .decode(json()).groupBy({ k: (o) => o.k }).aggregate({ n: count(), total: sum((o) => o.v) })
      .into(merge({ table: 'totals' })),
  })`
  const run = 'const running = await start(job, { once: true }); await running.done'

  /** Runs a program of two files, `job.mjs` and `main.mjs`, or of the second alone. */
  async function runProgram(
    bench: Bench,
    main: string,
    job?: string,
  ): Promise<{ code: number; stderr: string }> {
    const cache = join(import.meta.dirname, '..', '..', '.cache')
    mkdirSync(cache, { recursive: true })
    const folder = mkdtempSync(join(cache, 'program-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const head = `import { isMainThread } from 'node:worker_threads'\nimport { ${names} } from 'oncesink'\n`
    if (job !== undefined) writeFileSync(join(folder, 'job.mjs'), `${head}export default ${job}`)
    writeFileSync(join(folder, 'nothing.mjs'), 'export const nothing = 1')
    const file = join(folder, 'main.mjs')
    writeFileSync(file, `${head}${job === undefined ? '' : `import job from './job.mjs'\n`}${main}`)
    return new Promise((resolve) => {
      const env = { ...process.env, ...environment(bench) }
      execFile(process.execPath, [file], { env, timeout: 60_000 }, (error, _, stderr) => {
        resolve({ code: error ? Number(error.code ?? -1) : 0, stderr })
      })
    })
  }

  test('names the module, or starts it behind isMainThread, and everything is committed', async () => {
    const bench = await openBench('threads-program', { partitions: 2 })
    await bench.produce(20)
    const module = ', module: import.meta.url'
    expect(await runProgram(bench, run, definition(module))).toEqual({ code: 0, stderr: '' })
    expect(await bench.totals()).toEqual(bench.expected().totals)
    await bench.produce(20)
    const alone = `const job = ${definition(module)}; export default job; if (isMainThread) { ${run} }`
    expect(await runProgram(bench, alone)).toEqual({ code: 0, stderr: '' })
    expect(await bench.totals()).toEqual(bench.expected().totals)
  })

  const wrong = [
    [
      'does not name it',
      run,
      definition(''),
      /say workerThreads\(\{ count, module: import\.meta\.url \}\) in the module/,
    ],
    [
      'names one without a job',
      run,
      definition(", module: new URL('./nothing.mjs', import.meta.url)"),
      /nothing\.mjs has no default export, and no job/,
    ],
    [
      'names one that is not there',
      run,
      definition(", module: new URL('./gone.mjs', import.meta.url)"),
      /job file \S+gone\.mjs does not exist/,
    ],
    [
      'starts it whenever it is loaded',
      `const job = ${definition(', module: import.meta.url')}; export default job; ${run}`,
      undefined,
      /calls start\(\) when it is loaded, and its worker threads load it too/,
    ],
    [
      'does so, and ends the process itself',
      `const job = ${definition(', module: import.meta.url')}; export default job
       start(job).then((r) => r.done).catch((e) => { if (isMainThread) console.error(e); process.exit(e.exitCode) })`,
      undefined,
      /calls start\(\) when it is loaded, and its worker threads load it too/,
    ],
  ] as const

  test.each(wrong)('and %s is told so', async (_, main, job, message) => {
    const bench = await openBench('threads-wrong', { partitions: 1 })
    const { code, stderr } = await runProgram(bench, main, job)
    expect(code).not.toBe(0)
    expect(stderr).toContain("code: 'CONFIGURATION_INVALID'")
    expect(stderr).toMatch(message)
  })
})
