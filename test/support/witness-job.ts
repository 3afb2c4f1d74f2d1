import {
  append,
  count,
  defineJob,
  fileHandoff,
  from,
  json,
  kafka,
  merge,
  mysql,
  perPartition,
  postgres,
  repartitionToOne,
  sum,
  workerThreads,
} from 'oncesink'

/*
 * The job of the tests that run processes; what differs between tests comes from the environment (see
 * witness-world.ts). One output is a witness: one row per record with its coordinates, in a table without any key, so
 * that nothing but the protocol keeps a record from being there twice. The other adds up.
 */

interface Entry {
  key: string
  value: number
}

const { env } = process
const number = (name: string) => (env[name] === undefined ? undefined : Number(env[name]))
const padding = 'x'.repeat(number('JOB_PADDING') ?? 0)

const entries = from(
  kafka({
    brokers: (env.ONCESINK_KAFKA_BROKERS ?? '').split(','),
    topics: [env.JOB_TOPIC ?? ''],
    metadataRefreshMs: 1_000,
    // One name of a job for many worlds, each with a database of its own: they must not meet in one group.
    group: env.JOB_TOPIC ?? '',
    assignment: env.JOB_ASSIGNMENT === 'all' ? 'all' : 'group',
    ...(env.JOB_MEMBER !== undefined && {
      member: env.JOB_MEMBER,
      sessionTimeoutMs: number('JOB_SESSION_TIMEOUT_MS') ?? 10_000,
    }),
  }),
).decode(json<Entry>())

export default defineJob({
  name: 'witnessed',
  ledger: { digest: true },
  database:
    env.JOB_ENGINE === 'postgres'
      ? postgres({ connectionString: env.DATABASE_URL })
      : mysql({ connectionString: env.DATABASE_URL }),
  pipeline: [
    entries
      .map(({ value }) => ({ value, padding }))
      .into(append({ table: 'witness', meta: { partition: 'partition', offset: 'offset' } })),
    entries
      .groupBy({ key: (entry) => entry.key })
      .aggregate({ records: count(), total: sum((entry) => entry.value) })
      .into(merge({ table: 'totals' })),
  ],
  ...(env.JOB_CONNECTIONS !== undefined && {
    strategy: perPartition({ connections: Number(env.JOB_CONNECTIONS) }),
  }),
  ...(env.JOB_CHUNK_RECORDS !== undefined && {
    strategy: repartitionToOne({ chunkRecords: Number(env.JOB_CHUNK_RECORDS) }),
  }),
  ...(env.JOB_FILES !== undefined && {
    strategy: fileHandoff({ directory: env.JOB_FILES, loader: env.JOB_LOADER as 'external' | undefined }),
  }),
  executor: env.JOB_WORKERS === undefined ? 'inline' : workerThreads({ count: Number(env.JOB_WORKERS) }),
  limits: {
    maxRecordsPerBatch: number('JOB_MAX_RECORDS'),
    maxBufferedBytes: number('JOB_MAX_BUFFERED_BYTES'),
    shutdownTimeoutMs: number('JOB_SHUTDOWN_TIMEOUT_MS'),
  },
})
