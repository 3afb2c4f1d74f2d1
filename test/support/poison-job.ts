import {
  count,
  deadLetter,
  defineJob,
  from,
  json,
  kafka,
  merge,
  postgres,
  sum,
  workerThreads,
} from 'oncesink'

/*
 * A job that sets aside what it cannot process: the aggregate refuses values that are no integers, and the table keys
 * that are too long. Topic, database and the number of worker threads come from the environment.
 */

interface Entry {
  k: string
  v: number
}

const { env } = process

export default defineJob({
  name: env.JOB_NAME ?? '',
  database: postgres({ connectionString: env.DATABASE_URL }),
  pipeline: from(
    kafka({ brokers: (env.ONCESINK_KAFKA_BROKERS ?? '').split(','), topics: [env.JOB_TOPIC ?? ''] }),
  )
    .decode(json<Entry>())
    .groupBy({ k: (entry) => entry.k })
    .aggregate({ n: count(), total: sum((entry) => entry.v) })
    .into(merge({ table: 'totals' })),
  limits: { maxRecordsPerBatch: 40 },
  poison: deadLetter(),
  executor: env.JOB_WORKERS === undefined ? 'inline' : workerThreads({ count: Number(env.JOB_WORKERS) }),
})
