import { hostname, userInfo } from 'node:os'
import { stderr } from 'node:process'
import type { Connection } from '../database/dialect.ts'
import { acceptLoss, type LostPosition } from '../database/protocol/accept-loss.ts'
import { type ExaminedPosition, findLosses } from '../database/protocol/find-losses.ts'
import { JobSession } from '../database/protocol/session.ts'
import { ExitCode as Exit, type ExitCode, OncesinkError } from '../errors.ts'
import type { Job } from '../job/job.ts'
import { loadJob } from '../job/load-job.ts'
import { type TopicPartition, topicPartitionKey } from '../model/topic-partition.ts'
import { systemRuntime } from '../runtime/runtime.ts'
import { EventBus, type JobEvents } from '../telemetry/events.ts'
import { createDialect } from '../wire.ts'
import { type Inspection, inspect, requireStarted } from './inspect.ts'
import { type OutputFormat, printTable } from './output.ts'

/** What every engine has room for, in characters. */
const MAX_ACTOR = 200
const MAX_REASON = 2_000

export interface AcceptLossOptions {
  readonly topic: readonly string[]
  readonly reason?: string
  readonly actor?: string
  readonly execute: boolean
  readonly fenceOwner: boolean
}

/** `oncesink accept-loss`: shows what the log has lost of what was not read; with `--execute` goes on without it. */
export async function acceptLossCommand(
  file: string,
  options: AcceptLossOptions,
  format: OutputFormat,
): Promise<ExitCode> {
  const wanted = options.topic.map(parseSelection)
  const reason = options.reason?.trim() ?? ''
  if (options.execute && reason === '') {
    throw usage('--execute needs --reason "...": the ledger records why somebody has accepted a loss')
  }
  if (reason.length > MAX_REASON) throw usage(`--reason has more than ${MAX_REASON} characters`)
  const actor = options.actor?.trim() ?? `${userInfo().username}@${hostname()}`
  if (actor === '' || actor.length > MAX_ACTOR) {
    throw usage(`--actor must say who accepts the loss, in up to ${MAX_ACTOR} characters`)
  }
  const job = await loadJob(file)
  return await inspect(job, async (inspection) => {
    requireStarted(job, inspection)
    const examined = await findLosses(inspection.source, select(job, inspection, wanted))
    const lost = examined.filter((one): one is LostPosition => one.loss !== null)
    printTable(format, lost.map(planRow), '(every stored position holds: there is no loss to accept)')
    for (const message of new Set(lost.map(({ loss }) => loss.message))) stderr.write(`${message}\n`)
    if (lost.length === 0) return Exit.ok
    if (!options.execute) {
      stderr.write(
        'Nothing was changed. To accept this, stop the job and run the command again with --reason "..." --execute.\n',
      )
      return Exit.ok
    }
    const { clusterId } = await inspection.source.describe()
    await execute(job, lost, { clusterId, actor, reason, fenceOwner: options.fenceOwner })
    stderr.write(`Accepted by ${actor}: the job goes on at resumeAt when it is started.\n`)
    return Exit.ok
  })
}

async function execute(
  job: Job,
  lost: readonly LostPosition[],
  acceptance: Parameters<typeof acceptLoss>[2],
): Promise<void> {
  const dialect = createDialect(job, systemRuntime)
  const session = new JobSession(dialect, { job: job.name, owner: 'accept-loss' }, systemRuntime)
  try {
    await migrateIfAllowed(job, await session.connection())
    await acceptLoss(session, lost, acceptance, new EventBus<JobEvents>())
  } finally {
    await session.close()
  }
}

/** The job may not have run since this version was installed, and the act wants columns that it brings. */
async function migrateIfAllowed(job: Job, connection: Connection): Promise<void> {
  const pending = await connection.pendingMigrations()
  if (pending.length === 0) return
  if (job.migrate === 'auto') await connection.migrate()
  else {
    throw new OncesinkError(
      'PREFLIGHT_FAILED',
      `oncesink's tables lack ${pending.join(', ')}, and the job says migrate: 'check'; run \`oncesink migrate\` first`,
    )
  }
}

function planRow({ topic, partition, position, bounds, loss }: LostPosition) {
  const { nextOffset } = position
  return {
    topic,
    partition,
    position: nextOffset,
    logStart: bounds?.low ?? null,
    logEnd: bounds?.high ?? null,
    cause: loss.cause,
    lost: loss.cause === 'retention' ? `[${nextOffset}, ${loss.resumeAt})` : 'unknown',
    lostOffsets: loss.cause === 'retention' ? loss.resumeAt - nextOffset : null,
    resumeAt: loss.resumeAt,
  }
}

interface Selection {
  readonly topic: string
  /** Null for all of them. */
  readonly partitions: readonly number[] | null
}

function parseSelection(text: string): Selection {
  const match = /^([a-zA-Z0-9._-]+)(?::(\d{1,9}(?:,\d{1,9})*))?$/.exec(text)
  const [, topic, partitions] = match ?? []
  if (topic === undefined) throw usage(`--topic must be like orders or orders:0,2, not '${text}'`)
  return { topic, partitions: partitions?.split(',').map(Number) ?? null }
}

/** Positions of the topics that the job reads; of these the ones asked for. */
function select(
  job: Job,
  { source, positions }: Inspection,
  wanted: readonly Selection[],
): readonly ExaminedPosition['position'][] {
  const read = positions.filter(({ topic }) => source.covers(topic))
  if (wanted.length === 0) return read
  const isWanted = ({ topic, partition }: TopicPartition, selection: Selection) =>
    selection.topic === topic && (selection.partitions?.includes(partition) ?? true)
  for (const selection of wanted) {
    const found = read.filter((position) => isWanted(position, selection))
    const missing = selection.partitions?.find((n) => !found.some(({ partition }) => partition === n))
    if (found.length > 0 && missing === undefined) continue
    const { topic } = selection
    const name = missing === undefined ? `topic ${topic}` : topicPartitionKey({ topic, partition: missing })
    throw usage(
      `--topic: job '${job.name}' has no position of ${name}; it has ${read.map(topicPartitionKey).join(', ')}`,
    )
  }
  return read.filter((position) => wanted.some((selection) => isWanted(position, selection)))
}

function usage(message: string): OncesinkError {
  return new OncesinkError('CONFIGURATION_INVALID', message)
}
