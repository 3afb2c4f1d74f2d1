import { hostname } from 'node:os'
import { pid } from 'node:process'
import type { Dialect } from './database/dialect.ts'
import { createMysqlDialect } from './database/mysql/dialect.ts'
import type { MysqlPlan } from './database/mysql/options.ts'
import { createPostgresDialect } from './database/postgres/dialect.ts'
import type { PostgresPlan } from './database/postgres/options.ts'
import { Claimer } from './database/protocol/claim.ts'
import { JobSession } from './database/protocol/session.ts'
import type { DriverDeps } from './driver/driver.ts'
import { GroupMirror } from './driver/group-mirror.ts'
import { Ownership } from './driver/ownership.ts'
import { OncesinkError } from './errors.ts'
import type { Executor } from './executor/executor.ts'
import { createInlineExecutor } from './executor/inline.ts'
import { compilePartitionTask } from './executor/partition-task.ts'
import { createThreadExecutor } from './executor/threads/thread-executor.ts'
import type { Job } from './job/job.ts'
import { jobParts } from './job/job-parts.ts'
import { shapeOf, sinkTablesOf } from './job/shape.ts'
import { createRate } from './rate/create-rate.ts'
import type { Runtime } from './runtime/runtime.ts'
import { createAllPartitions } from './source/kafka/all-partitions.ts'
import { createKafkaGroup } from './source/kafka/group/kafka-group.ts'
import { createSecondReader } from './source/kafka/second-reader/second-reader.ts'
import type { Membership } from './source/membership.ts'
import type { GroupUse, LogSource, Source } from './source/source.ts'
import type { DirectoryLoader } from './strategy/file-handoff/directory-loader.ts'
import { createDirectoryLoader, type FileHandoffPlan } from './strategy/file-handoff/file-handoff.ts'
import type { StrategyParts } from './strategy/strategy.ts'
import { EventBus, type JobEventBus, type JobEvents } from './telemetry/events.ts'
import { createSource, kafkaPlan } from './wire-source.ts'
import { launcherOf } from './worker/launch.ts'

export { createSource } from './wire-source.ts'

/** The one place where concrete parts are put behind their ports. */
export interface Wired extends DriverDeps {
  readonly dialect: Dialect
  /** Null where the job does without. */
  readonly mirror: GroupMirror | null
}

export interface WireOptions {
  /** See {@link Claimer}: a changed shape replaces the stored one. */
  readonly acceptShapeChange: boolean
}

export function wire(job: Job, runtime: Runtime, events: JobEventBus, options: WireOptions): Wired {
  const dialect = createDialect(job, runtime)
  const source = createSource(job, runtime, events)
  const session = new JobSession(dialect, { job: job.name, owner: `${hostname()}:${pid}` }, runtime)
  const { membership, mirrored } = createMembership(job, source, session, { runtime, events })
  const claimer = new Claimer({
    session,
    source,
    startFrom: job.root.source.startFrom,
    identity: {
      job: job.name,
      shape: shapeOf(job),
      codeVersion: job.codeVersion,
      sinkTables: sinkTablesOf(job),
      acceptShapeChange: options.acceptShapeChange,
    },
    events,
    owner: () => ownerText(session.owner, membership),
  })
  const group = groupOf(job)
  const strategy = job.strategy.create(strategyParts(job, session, source, events))
  const follows = strategy.deferred ? 'settled' : 'batch'
  return {
    job,
    runtime,
    events,
    dialect,
    source,
    session,
    claimer,
    membership,
    executor: createExecutor(job, source, runtime, events),
    strategy,
    ownership: new Ownership(),
    rate: createRate(job),
    mirror: group === null ? null : new GroupMirror({ group, source: mirrored, events, runtime, follows }),
  }
}

/** What loads the files of a job with `fileHandoff`, in a process that does nothing else; the caller closes the session. */
export function wireLoader(
  job: Job,
  plan: FileHandoffPlan,
  runtime: Runtime,
  events: JobEventBus,
): { readonly session: JobSession; readonly loader: DirectoryLoader } {
  const owner = `${hostname()}:${pid} (loader)`
  const session = new JobSession(createDialect(job, runtime), { job: job.name, owner }, runtime)
  const { pipelines, poison } = job
  const deadLetterLimit = poison.kind === 'deadLetter' ? poison : null
  const parts = { session, pipelines, shape: shapeOf(job), deadLetterLimit, events }
  return { session, loader: createDirectoryLoader(plan, parts) }
}

/** What a strategy works with. */
export function strategyParts(
  job: Job,
  session: JobSession,
  source: Pick<Source, 'describe'>,
  events: JobEventBus,
): StrategyParts {
  const { pipelines, poison } = job
  const deadLetterLimit = poison.kind === 'deadLetter' ? poison : null
  const clusterId = async () => (await source.describe()).clusterId
  return { session, pipelines, shape: shapeOf(job), deadLetterLimit, events, clusterId }
}

/** Who owns which partition, and who mirrors positions: while a group has members, only they may. */
function createMembership(
  job: Job,
  source: Source,
  session: JobSession,
  { runtime, events }: { readonly runtime: Runtime; readonly events: JobEventBus },
): { readonly membership: Membership; readonly mirrored: Pick<Source, 'mirrorOffsets'> } {
  const plan = kafkaPlan(job)
  if (plan.assignment === 'all') {
    const { metadataRefreshMs } = plan
    return { membership: createAllPartitions(source, { runtime, metadataRefreshMs }), mirrored: source }
  }
  const group = sharedGroupOf(job) ?? job.name
  const database = async () => (await session.connection()).installedAt()
  const membership = createKafkaGroup(plan, { job: job.name, group, database, source, runtime, events })
  return { membership, mirrored: membership }
}

/** Who owns a partition, as it is written there for people to read: `host:pid (member)` where several share the job. */
function ownerText(process: string, { member }: Membership): string {
  return member === null ? process : `${process} (${member})`
}

/** The consumer group to which the job's positions are mirrored; null where they are not. */
export function groupOf(job: Job): string | null {
  const { group, groupMirror } = kafkaPlan(job)
  return groupMirror ? (group ?? job.name) : null
}

/** The job's consumer group, and what it uses it for; null where it has none. */
export function groupUseOf(job: Job): { readonly name: string; readonly use: GroupUse } | null {
  const [shared, mirrored] = [sharedGroupOf(job), groupOf(job)]
  if (shared !== null) return { name: shared, use: 'join' }
  return mirrored === null ? null : { name: mirrored, use: 'mirror' }
}

/** The consumer group that the job's processes join; null where one process owns everything. */
export function sharedGroupOf(job: Job): string | null {
  const { group, assignment } = kafkaPlan(job)
  return assignment === 'group' ? (group ?? job.name) : null
}

/** The job's log for whoever checks the job, read by another reader than the job's. */
export function createLogToCheck(job: Job, runtime: Runtime): LogSource {
  const guide = createSource(job, runtime, new EventBus<JobEvents>())
  const { maxBufferedBytes } = job.limits
  return createSecondReader(kafkaPlan(job), { runtime, maxBufferedBytes, guide })
}

/** The job's database, for commands that look but do not run the job. */
export function createDialect(job: Pick<Job, 'database'>, runtime: Runtime): Dialect {
  switch (job.database.engine) {
    case 'postgres':
      return createPostgresDialect(job.database as PostgresPlan, runtime)
    case 'mysql':
      return createMysqlDialect(job.database as MysqlPlan, runtime)
    default:
      throw new OncesinkError(
        'CONFIGURATION_INVALID',
        `database engine '${String(job.database.engine)}' is not supported: use postgres(...) or mysql(...) from 'oncesink'`,
      )
  }
}

/** Where the job's functions run. */
function createExecutor(job: Job, source: Source, runtime: Runtime, events: JobEventBus): Executor {
  const { executor: plan, poison } = job
  if (plan.kind === 'workerThreads') {
    const launch = launcherOf(plan, job.name)
    const { startupTimeoutMs } = job.limits
    return createThreadExecutor({
      plan,
      startupTimeoutMs,
      parts: jobParts(job),
      poison,
      launch,
      runtime,
      events,
    })
  }
  const task = compilePartitionTask(job.root, job.pipelines, runtime.clock, job.ledger)
  return createInlineExecutor(source, task, runtime, poison)
}
