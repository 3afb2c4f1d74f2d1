import { asError } from '../errors.ts'
import type { ExecutorPlan, WorkerThreadsPlan } from '../executor/executor.ts'
import type { DeadLetterPolicy, PoisonPolicy } from '../model/dead-letter.ts'
import { describeValue } from '../model/excerpt.ts'
import { isPlainObject } from '../model/plain-object.ts'
import { Pipeline } from '../pipeline/pipeline.ts'
import type { PipelinePlan } from '../pipeline/plan.ts'
import { declaredTable } from '../sink/declare-table.ts'
import { collectThenCommit } from '../strategy/collect-then-commit.ts'
import { isStrategyPlan, type StrategyPlan } from '../strategy/strategy.ts'
import type { DatabasePlan, Job, JobLimits } from './job.ts'
import { JobOptionReader } from './job-option-reader.ts'
import { poisonPolicyOf } from './poison.ts'
import { readRate } from './read-rate.ts'
import { tableOf } from './shape.ts'
import { executorPlanOf } from './worker-threads.ts'

export interface JobOptions {
  /** 1 to 200 printable characters. It keys the job's positions: another name is another job, which starts anew. */
  readonly name: string
  /** Where results and positions are written: `postgres({ ... })` or `mysql({ ... })`. */
  readonly database: DatabasePlan
  /**
   * What the job does. Several pipelines must begin with one `const values = from(...).decode(...)`; they are
   * committed in one transaction.
   */
  readonly pipeline: Pipeline | readonly Pipeline[]
  readonly trigger?: {
    /**
     * Milliseconds from the beginning of one micro-batch to the next. 0 starts the next one as soon as there is data
     * and the previous one has committed. @default 0, up to one day
     */
    readonly intervalMs?: number | undefined
  }
  readonly limits?: {
    /**
     * Most records of one micro-batch, over all partitions; `rate` may have fewer.
     * @default 250000, and 100000 where these make more rows than that; 1 to 10 million
     */
    readonly maxRecordsPerBatch?: number | undefined
    /**
     * Most bytes of the records of one micro-batch, as fetched, over all partitions; with `repartitionToOne()`, of one
     * chunk. A record that has more comes alone.
     * @default 67108864 (64 MiB), from 1
     */
    readonly maxBytesPerBatch?: number | undefined
    /** Bytes fetched ahead and not yet computed, over all partitions. @default 33554432 (32 MiB), from 64 KiB */
    readonly maxBufferedBytes?: number | undefined
    /** Milliseconds that a stop may take before the process gives up waiting. @default 30000, from 1 */
    readonly shutdownTimeoutMs?: number | undefined
    /** Milliseconds during which the first connections are tried. @default 60000, from 1 */
    readonly startupTimeoutMs?: number | undefined
  }
  /**
   * How large batches are, up to `limits.maxRecordsPerBatch`. The first one is small (1,000 records); they grow while
   * they are processed fast enough, and shrink when the database slows down. See docs/scaling.md.
   */
  readonly rate?: {
    /**
     * With `trigger.intervalMs`: batches are as large as a rate estimator (Spark's PID estimator) expects to be processed
     * within one interval. @default false
     */
    readonly backpressure?: boolean | undefined
    /**
     * With `backpressure`: records per second of each partition, until the estimator has seen a batch.
     * @default 1000 records in all, 1 to 100 million
     */
    readonly initialRatePerPartition?: number | undefined
    /** With `trigger.intervalMs`: most records per second of each partition. @default no limit, 1 to 100 million */
    readonly maxRatePerPartition?: number | undefined
    /**
     * Without `backpressure`: the processing time that batches may have, in milliseconds. They grow while twice as many
     * records would still be processed within it, and shrink when it has been exceeded.
     * @default 1000, or `trigger.intervalMs` where that is longer; 1 to one day
     */
    readonly targetBatchMs?: number | undefined
  }
  /**
   * What happens to a record that a function of the job, or the database, cannot take: `'fail'` stops the job before
   * it and names it; `deadLetter()` sets it aside and goes on. @default 'fail'
   */
  readonly poison?: 'fail' | DeadLetterPolicy | undefined
  /**
   * Where the job's functions run: `'inline'`, in the thread of the driver, or `workerThreads({ count })`.
   * @default 'inline'
   */
  readonly executor?: 'inline' | WorkerThreadsPlan | undefined
  /**
   * How results and positions get into one commit. It may be exchanged between two runs: the position is always the
   * database's. @default collectThenCommit()
   */
  readonly strategy?: StrategyPlan | undefined
  /** Free text that is kept with the job, for example a git commit; up to 200 printable characters. @default '' */
  readonly codeVersion?: string | undefined
  /**
   * What a start does about tables that are missing. `auto`: it creates oncesink's own, and those of sinks with
   * `createTable`; tables that exist are never altered. `check`: it sends no DDL, and fails with what is missing and
   * the command that creates it. @default 'auto'
   */
  readonly migrate?: 'auto' | 'check' | undefined
  readonly ledger?: {
    /** Milliseconds that ledger rows are kept; the newest of each partition always is. @default 7 days, from 0 */
    readonly retentionMs?: number | undefined
    /**
     * Whether each batch is written with a digest of its records, which `oncesink verify` computes again from the log: a
     * batch that has read other records than its range has is found so, whatever the sink. See docs/performance.md for what
     * it costs. @default false
     */
    readonly digest?: boolean | undefined
  }
}

const DAY_MS = 86_400_000

/** Timers hold 31 bits. */
const MAX_TIMER_MS = 2 ** 31 - 1

/**
 * Describes a job: validates every option and freezes the result. Nothing is connected before the job is started.
 * @throws OncesinkError CONFIGURATION_INVALID with everything that is wrong
 */
export function defineJob(options: JobOptions): Job {
  const read = new JobOptionReader(options, [
    'name',
    'database',
    'pipeline',
    'trigger',
    'limits',
    'rate',
    'poison',
    'executor',
    'strategy',
    'codeVersion',
    'migrate',
    'ledger',
  ])
  const name = read.printable('name', undefined, 1)
  const trigger = { intervalMs: read.integer('trigger', 'intervalMs', 0, 0, DAY_MS) }
  const limits: JobLimits = {
    maxRecordsPerBatch: read.integer('limits', 'maxRecordsPerBatch', 250_000, 1, 10_000_000),
    maxRowsPerBatch: read.isGiven('limits', 'maxRecordsPerBatch') ? null : 100_000,
    maxBytesPerBatch: read.integer('limits', 'maxBytesPerBatch', 64 * 2 ** 20, 1, Number.MAX_SAFE_INTEGER),
    maxBufferedBytes: read.integer(
      'limits',
      'maxBufferedBytes',
      32 * 2 ** 20,
      2 ** 16,
      Number.MAX_SAFE_INTEGER,
    ),
    shutdownTimeoutMs: read.integer('limits', 'shutdownTimeoutMs', 30_000, 1, MAX_TIMER_MS),
    startupTimeoutMs: read.integer('limits', 'startupTimeoutMs', 60_000, 1, MAX_TIMER_MS),
  }
  const rate = readRate(read, trigger.intervalMs)
  const poison = readPoison(read)
  const executor = readExecutor(read)
  const strategy = readStrategy(read)
  const codeVersion = read.printable('codeVersion', '', 0)
  const migrate = read.oneOf('migrate', ['auto', 'check'])
  const ledger = {
    retentionMs: read.integer('ledger', 'retentionMs', 7 * DAY_MS, 0, Number.MAX_SAFE_INTEGER),
    digest: read.boolean('ledger', 'digest', false),
  }
  const database = readDatabase(read)
  const pipelines = readPipelines(read)
  read.refuseUnknown('trigger', 'limits', 'rate', 'ledger')
  read.throwProblems()
  const root = (pipelines[0] as PipelinePlan).root
  const parts = { trigger, limits, rate, poison, ledger, pipelines }
  for (const part of Object.values(parts)) Object.freeze(part)
  return Object.freeze({ name, database, root, executor, strategy, codeVersion, migrate, ...parts })
}

function readPoison(read: JobOptionReader): PoisonPolicy {
  const policy = poisonPolicyOf(read.raw('poison'))
  if (policy) return policy
  read.problem(`poison must be 'fail' or deadLetter({ ... }), but is ${describeValue(read.raw('poison'))}`)
  return { kind: 'fail' }
}

function readExecutor(read: JobOptionReader): ExecutorPlan {
  const plan = executorPlanOf(read.raw('executor'))
  if (plan) return plan
  read.problem(
    `executor must be 'inline' or workerThreads({ ... }), but is ${describeValue(read.raw('executor'))}`,
  )
  return { kind: 'inline' }
}

function readStrategy(read: JobOptionReader): StrategyPlan {
  const plan = read.raw('strategy') ?? collectThenCommit()
  if (isStrategyPlan(plan)) return plan
  read.problem(
    `strategy must be a strategy such as collectThenCommit(), but is ${describeValue(read.raw('strategy'))}`,
  )
  return collectThenCommit()
}

function readDatabase(read: JobOptionReader): DatabasePlan {
  const database = read.raw('database')
  const engine = isPlainObject(database) ? database.engine : undefined
  if (typeof engine !== 'string') {
    read.problem(
      `database must be a database such as postgres({ ... }) or mysql({ ... }), but is ${describeValue(database)}`,
    )
  }
  return database as DatabasePlan
}

function readPipelines(read: JobOptionReader): PipelinePlan[] {
  const given = read.raw('pipeline')
  const list: readonly unknown[] = Array.isArray(given) ? given : [given]
  const strays = list.filter((entry) => !(entry instanceof Pipeline))
  if (list.length === 0 || strays.length > 0) {
    const got = list.length === 0 ? 'an empty array' : describeValue(strays[0])
    read.problem(`pipeline must be what from(...)...into(...) returns, or an array of these, but is ${got}`)
    return []
  }
  const plans = list.map((entry) => (entry as Pipeline).plan)
  if (new Set(plans).size !== plans.length) read.problem('pipeline names one pipeline twice')
  if (new Set(plans.map(({ root }) => root)).size > 1) {
    read.problem(
      'the pipelines do not begin with the same from(...).decode(...): write it once, as a const, and begin each with it',
    )
  }
  for (const problem of sharedTables(plans)) read.problem(problem)
  for (const plan of plans) {
    try {
      declaredTable(plan)
    } catch (error) {
      read.problem(asError(error).message)
    }
  }
  return plans
}

/** Two appends to one table do not touch each other's rows; a merge or an upsert shares its table with nothing. */
function sharedTables(plans: readonly PipelinePlan[]): string[] {
  const tables = plans.flatMap((plan) => tableOf(plan) ?? [])
  const merged = plans.flatMap((plan) =>
    plan.sink.kind === 'merge' || plan.sink.kind === 'upsert' ? plan.sink.table : [],
  )
  return [...new Set(merged)]
    .filter((table) => tables.filter((other) => other === table).length > 1)
    .map(
      (table) =>
        `two pipelines write to table '${table}', which one of them merges or upserts into: give each its own`,
    )
}

/** Whether `value` was made by {@link defineJob}. */
export function isJob(value: unknown): value is Job {
  return (
    isPlainObject(value) && Object.isFrozen(value) && typeof value.name === 'string' && 'pipelines' in value
  )
}
