import { append, count, defineJob, from, json, kafka, merge, mysql, postgres, sum } from '../../index.ts'
import type { Job } from '../../job/job.ts'
import type { Engine } from '../../services/index.ts'

/** What differs between the jobs of the campaigns: plain JSON, for it is handed to processes. */
export interface JobSpec {
  readonly name: string
  readonly engine: Engine
  readonly url: string
  readonly brokers: readonly string[]
  readonly topic: string
  /** Default: `group`. */
  readonly assignment?: 'all'
  readonly member?: string
  readonly sessionTimeoutMs?: number
  readonly maxRecords?: number
  /** Characters that every witness row carries besides, so that a batch is several pieces of COPY. */
  readonly padding?: number
}

interface Entry {
  readonly key: string
  readonly n: number
}

/**
 * The job that campaigns put under stress. One output is a witness: one row per record with its coordinates, in a table
 * without any key, so that nothing but the protocol keeps a record from being there twice. The other adds up.
 */
export function witnessJob(spec: JobSpec): Job {
  const { sessionTimeoutMs, member } = spec
  const padding = 'x'.repeat(spec.padding ?? 0)
  const entries = from(
    kafka({
      brokers: spec.brokers,
      topics: [spec.topic],
      assignment: spec.assignment ?? 'group',
      metadataRefreshMs: 1_000,
      // A fetch that waits at the broker for records delays the first one after a seek.
      fetch: { maxWaitMs: 50 },
      ...(member !== undefined && { member }),
      ...(sessionTimeoutMs !== undefined && {
        sessionTimeoutMs,
        heartbeatIntervalMs: Math.floor(sessionTimeoutMs / 4),
      }),
    }),
  ).decode(json<Entry>())
  return defineJob({
    name: spec.name,
    database:
      spec.engine === 'postgres'
        ? postgres({ connectionString: spec.url })
        : mysql({ connectionString: spec.url }),
    pipeline: [
      entries
        .map(({ n }) => ({ n, padding }))
        .into(append({ table: 'witness', meta: { partition: 'log_partition', offset: 'log_offset' } })),
      entries
        .groupBy({ k: (entry) => entry.key })
        .aggregate({ records: count(), total: sum((entry) => entry.n) })
        .into(merge({ table: 'totals' })),
    ],
    limits: { maxRecordsPerBatch: spec.maxRecords },
    ledger: { digest: true },
  })
}

/** The tables of {@link witnessJob}. */
export function witnessTables(engine: Engine): string {
  const text = {
    postgres: 'text',
    mysql: 'varchar(191) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin',
    mariadb: 'varchar(191) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin',
  }[engine]
  const longText = engine === 'postgres' ? 'text' : 'mediumtext'
  return `
    CREATE TABLE witness (log_partition integer NOT NULL, log_offset bigint NOT NULL, n bigint NOT NULL, padding ${longText} NOT NULL);
    CREATE TABLE totals (k ${text} PRIMARY KEY, records bigint NOT NULL, total bigint NOT NULL)`
}
