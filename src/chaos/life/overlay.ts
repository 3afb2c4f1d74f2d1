import { type MysqlPlan, mysql } from '../../database/mysql/options.ts'
import { type PostgresPlan, postgres } from '../../database/postgres/options.ts'
import type { DatabasePlan, Job } from '../../job/job.ts'
import type { PipelinePlan, RootPlan } from '../../pipeline/plan.ts'
import type { KafkaSourcePlan } from '../../source/kafka/options.ts'
import { kafkaPlan } from '../../wire-source.ts'
import type { LifeSettings } from './settings.ts'

/*
 * The job as it runs under chaos: the user's functions, sinks, limits and policies, on other servers, quicker to notice
 * that something is gone; with a witness, one more output in the same transaction; and with digests in its ledger.
 */

/** How long a statement, a lock and an idle transaction may last under chaos, in milliseconds, at most. */
const STATEMENT_MS = 9_000
const LOCK_MS = 2_000
const IDLE_MS = 6_000
const CONNECT_MS = 3_000
const REQUEST_MS = 5_000
const METADATA_MS = 500

export function chaosJob(job: Job, settings: LifeSettings): Job {
  const root: RootPlan = Object.freeze({ ...job.root, source: source(kafkaPlan(job), settings) })
  const pipelines = job.pipelines.map((pipeline) => Object.freeze({ ...pipeline, root }))
  if (settings.witness !== null) pipelines.push(witness(root, settings.witness))
  return Object.freeze({
    ...job,
    database: database(job.database, settings.databaseUrl),
    root,
    pipelines: Object.freeze(pipelines),
    migrate: 'auto' as const,
    ledger: Object.freeze({ ...job.ledger, digest: true }),
  })
}

function source(plan: KafkaSourcePlan, settings: LifeSettings): KafkaSourcePlan {
  const { sessionTimeoutMs, member } = settings
  return Object.freeze({
    ...plan,
    brokers: Object.freeze([...settings.brokers]),
    topics: Object.freeze(Object.values(settings.topics)),
    topicPattern: null,
    partitions: Object.freeze({}),
    startFrom: 'earliest' as const,
    ...(member !== null && {
      member,
      sessionTimeoutMs,
      heartbeatIntervalMs: Math.floor(sessionTimeoutMs / 4),
    }),
    rebalanceTimeoutMs: Math.max(sessionTimeoutMs, 5_000),
    connectionTimeoutMs: Math.min(plan.connectionTimeoutMs, CONNECT_MS),
    requestTimeoutMs: Math.min(plan.requestTimeoutMs, REQUEST_MS),
    metadataRefreshMs: METADATA_MS,
    ssl: undefined,
    sasl: undefined,
  })
}

/** The plan's own timeouts where they are shorter; another engine's plan where the run is on another engine. */
function database(plan: DatabasePlan, connectionString: string): DatabasePlan {
  if (!connectionString.startsWith('mysql:')) {
    const given = plan.engine === 'postgres' ? (plan as PostgresPlan) : null
    const most = (value: number | undefined, bound: number) => Math.min(value ?? bound, bound)
    return postgres({
      connectionString,
      ...(given && { schema: given.schema }),
      statementTimeoutMs: most(given?.statementTimeoutMs, STATEMENT_MS),
      lockTimeoutMs: most(given?.lockTimeoutMs, LOCK_MS),
      idleInTransactionTimeoutMs: most(given?.idleInTransactionTimeoutMs, IDLE_MS),
      connectTimeoutMs: most(given?.connectTimeoutMs, CONNECT_MS),
    })
  }
  const given = plan.engine === 'mysql' ? (plan as MysqlPlan) : null
  return mysql({
    connectionString,
    statementTimeoutMs: Math.min(given?.statementTimeoutMs ?? STATEMENT_MS, STATEMENT_MS),
    lockTimeoutMs: Math.min((given?.lockTimeoutSeconds ?? 2) * 1_000, LOCK_MS),
    idleInTransactionTimeoutMs: IDLE_MS,
    connectTimeoutMs: Math.min(given?.connectTimeoutMs ?? CONNECT_MS, CONNECT_MS),
  })
}

/** One row per record, in a table without any key: nothing but the protocol keeps a record from being there twice. */
function witness(root: RootPlan, table: string): PipelinePlan {
  return Object.freeze({
    root,
    steps: Object.freeze([Object.freeze({ kind: 'map' as const, transform: () => ({}) })]),
    terminal: Object.freeze({ kind: 'rows' as const }),
    sink: Object.freeze({
      kind: 'append' as const,
      table,
      columns: Object.freeze({}),
      meta: Object.freeze({ topic: 'topic', partition: 'kafka_partition', offset: 'kafka_offset' }),
      createTable: Object.freeze({}),
    }),
  })
}
