import type { Dialect } from '../../src/database/dialect.ts'
import { Claimer } from '../../src/database/protocol/claim.ts'
import { JobSession } from '../../src/database/protocol/session.ts'
import { drive } from '../../src/driver/driver.ts'
import { Ownership } from '../../src/driver/ownership.ts'
import { createInlineExecutor } from '../../src/executor/inline.ts'
import { compilePartitionTask } from '../../src/executor/partition-task.ts'
import type { Job } from '../../src/job/job.ts'
import { shapeOf, sinkTablesOf } from '../../src/job/shape.ts'
import { formatRange } from '../../src/model/offset-range.ts'
import { topicPartitionKey } from '../../src/model/topic-partition.ts'
import { createRate } from '../../src/rate/create-rate.ts'
import type { Membership } from '../../src/source/membership.ts'
import type { Source } from '../../src/source/source.ts'
import { EventBus, type JobEvents } from '../../src/telemetry/events.ts'
import type { SimulatedDatabase } from './database.ts'
import type { Host } from './host.ts'
import { faultPointsOf } from './process-faults.ts'
import type { Watcher } from './watcher.ts'

/** Parts of a process, which a negative control may replace by wrong ones. */
export interface Parts {
  readonly claimer: Claimer
  readonly source: Source
  readonly host: Host
  /** Puts something in between this process and the database. */
  readonly wrapDialect: (wrap: (dialect: Dialect) => Dialect) => void
}

export type Sabotage = (parts: Parts) => void

/** One process's life. */
export interface Life {
  readonly host: Host
  readonly job: Job
  readonly database: SimulatedDatabase
  readonly source: Source
  readonly membership: Membership
  readonly watcher: Watcher
  /** Drain the log, then end. */
  readonly once: boolean
  readonly stop: AbortSignal
  readonly sabotage: Sabotage | null
}

/** Runs the real driver, claim, commit and strategy over simulated ports, as `start` does over real ones. */
export async function live(life: Life): Promise<void> {
  const { host, job, database, source, membership } = life
  const runtime = host.runtime(faultPointsOf(host, database.faults))
  const events = listen(life)
  let dialect = database.dialectFor(host)
  const connecting: Dialect = { ...dialect, connect: (name) => dialect.connect(name) }
  const session = new JobSession(connecting, { job: job.name, owner: host.name }, runtime)
  const identity = {
    job: job.name,
    shape: shapeOf(job),
    codeVersion: job.codeVersion,
    sinkTables: sinkTablesOf(job),
    acceptShapeChange: false,
  }
  const claimer = new Claimer({ session, source, startFrom: 'earliest', identity, events })
  const wrapDialect = (wrap: (dialect: Dialect) => Dialect) => {
    dialect = wrap(dialect)
  }
  life.sabotage?.({ claimer, source, host, wrapDialect })
  const strategy = job.strategy.create({
    session,
    pipelines: job.pipelines,
    shape: shapeOf(job),
    deadLetterLimit: job.poison.kind === 'deadLetter' ? job.poison : null,
    events,
    clusterId: async () => (await source.describe()).clusterId,
  })
  const task = compilePartitionTask(job.root, job.pipelines, runtime.clock, job.ledger)
  const deps = {
    job,
    runtime,
    events,
    source,
    session,
    claimer,
    membership,
    executor: createInlineExecutor(source, task, runtime, job.poison),
    strategy,
    ownership: new Ownership(),
    rate: createRate(job),
  }
  try {
    await drive(deps, { stop: life.stop, once: life.once, onRunning: () => {} })
  } finally {
    await strategy.deferred?.close()
    await strategy.close?.()
    await membership.stop()
    await source.close()
    await session.close()
  }
}

function listen({ host, watcher, job }: Life): EventBus<JobEvents> {
  const events = new EventBus<JobEvents>()
  // Of files it is known when they are loaded.
  events.on(job.strategy.name === 'fileHandoff' ? 'settled' : 'batch', ({ batchId, ranges }) => {
    host.note(() => `knows that ${ranges.map(formatRange).join(' ')} has committed`)
    watcher.announces(host.name, batchId, ranges)
  })
  events.on('batchFailed', ({ reason, ranges, error }) => {
    host.note(
      () => `batch ${ranges.map(formatRange).join(' ')}: ${reason}${error ? ` (${error.message})` : ''}`,
    )
    if (reason === 'unknown') watcher.unknown += 1
    if (reason === 'fenced') watcher.fenced += 1
  })
  events.on('claimed', ({ claims }) => {
    host.note(
      () =>
        `owns ${claims.map((c) => `${c.topic}/${c.partition} from ${c.nextOffset} epoch ${c.epoch}`).join(', ')}`,
    )
    watcher.says(
      host.name,
      claims.map(({ claimId }) => claimId),
    )
  })
  events.on('lost', ({ partitions }) => {
    const keys = partitions.map(topicPartitionKey)
    host.note(() => `has lost ${keys.join(', ')}`)
    watcher.letsGo(host.name, keys)
  })
  events.on('retrying', ({ error, delayMs }) => {
    host.note(() => `tries again in ${delayMs.toFixed(0)} ms: ${error.message}`)
  })
  events.on('stateChanged', ({ to }) => host.note(() => to))
  return events
}
