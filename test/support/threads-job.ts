import { isMainThread } from 'node:worker_threads'
import { count, defineJob, from, json, kafka, merge, postgres, sum, workerThreads } from 'oncesink'

/*
 * A job in worker threads, with records that let something happen there. It says itself where it is, so that a program
 * can start it as well.
 */

interface Entry {
  k: string
  v: number
}

const { env } = process

if (env.JOB_LOADING === 'endless' && !isMainThread) for (;;);

/** What the record asks for. Only in a worker: the test is over when the main thread does it. */
function happen({ k }: Entry): true {
  if (isMainThread || env.JOB_MENDED !== undefined) return true
  if (k === 'exit') process.exit(7)
  // When the batch has committed, and nothing is asked of the worker.
  if (k === 'later') setTimeout(() => process.exit(7), 1_500)
  if (k === 'endless') for (;;);
  if (k === 'uncaught') setImmediate(() => Promise.reject(new TypeError('nobody caught this')))
  if (k === 'memory') {
    const kept: unknown[][] = []
    for (;;) kept.push(Array.from({ length: 100_000 }, (_, i) => i + 0.5))
  }
  if (k === 'throw') throw new RangeError('a record that fails', { cause: 'poison' })
  return true
}

export default defineJob({
  name: env.JOB_LOADING === 'another' && !isMainThread ? 'another' : (env.JOB_NAME ?? 'threads'),
  database: postgres({ connectionString: env.DATABASE_URL }),
  executor: workerThreads({
    count: 2,
    module: import.meta.url,
    workerTimeoutMs: Number(env.JOB_WORKER_TIMEOUT_MS ?? 3_000),
    ...(env.JOB_HEAP_MB !== undefined && { maxHeapMb: Number(env.JOB_HEAP_MB) }),
  }),
  ...(env.JOB_STARTUP_MS !== undefined && { limits: { startupTimeoutMs: Number(env.JOB_STARTUP_MS) } }),
  trigger: { intervalMs: Number(env.JOB_INTERVAL_MS ?? 0) },
  pipeline: from(
    kafka({ brokers: (env.ONCESINK_KAFKA_BROKERS ?? '').split(','), topics: [env.JOB_TOPIC ?? ''] }),
  )
    .decode(json<Entry>())
    .filter(happen)
    .groupBy({ k: (entry) => entry.k })
    .aggregate({ n: count(), total: sum((entry) => entry.v) })
    .into(merge({ table: 'totals' })),
})
