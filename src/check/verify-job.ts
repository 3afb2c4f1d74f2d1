import type { Connection, Dialect, PositionRow, TableDescription, Transaction } from '../database/dialect.ts'
import { hasOwnTables } from '../database/own-tables.ts'
import { OncesinkError } from '../errors.ts'
import { compilePartitionTask } from '../executor/partition-task.ts'
import type { Job } from '../job/job.ts'
import { describeShapeChange, shapeOf } from '../job/shape.ts'
import type { TopicPartition } from '../model/topic-partition.ts'
import type { PipelinePlan } from '../pipeline/plan.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { FetchedRange, LogSource, Watermarks } from '../source/source.ts'
import { createAppendCheck } from './append-check.ts'
import { checkChain, unreadableChain } from './chain.ts'
import { concludeReport, type VerifyFindings, type VerifyReport } from './conclusion.ts'
import { ControlTotals } from './control-totals.ts'
import { DeadLetterCheck, readAllDeadLetters } from './dead-letters.ts'
import { createMergeCheck } from './merge-check.ts'
import { type Checks, consultOracle } from './oracle.ts'
import { planReplay } from './replay-ranges.ts'
import type { TableCheck } from './table-check.ts'
import { createUpsertCheck } from './upsert-check.ts'

export interface VerifyDeps {
  readonly job: Job
  readonly dialect: Dialect
  /** Not opened yet, and for this verification only: it is opened, sought and closed here. */
  readonly source: LogSource
  readonly runtime: Runtime
  /** Ledger, positions and dead letters only, in a moment: the log is not read, and tables are not compared. @default false */
  readonly chainOnly?: boolean
  /** Hears every range of the log that is read again, once. */
  readonly onRange?: (fetched: FetchedRange) => void
  /** What `write` and `writeResult` have written is checked by somebody else: it is no reason for doubt here. */
  readonly writesChecked?: boolean
  /** A batch without a digest is a violation: the job has wanted digests from its beginning. @default false */
  readonly digestsExpected?: boolean
  /** One line for people, about once a second. */
  readonly onProgress: (message: string) => void
  /** Aborting it ends the verification with the signal's reason. */
  readonly signal?: AbortSignal
}

/**
 * Checks a job against its log and its tables as they are at one moment, while the job may be running: the chain of
 * the ledger, the records of every batch, and every row of every table that can be recomputed. Writes nothing.
 * @throws OncesinkError when brokers or database cannot be asked; JOB_IDENTITY_CONFLICT when the job's shape is not
 *   the one that the tables were filled with
 */
export async function verifyJob(deps: VerifyDeps): Promise<VerifyReport> {
  const { job, dialect, source, runtime } = deps
  const startedMs = runtime.clock.monotonicMs()
  const connection = await dialect.connect({ job: job.name, owner: 'verify' })
  try {
    const findings = await examine(deps, connection)
    return concludeReport({ ...findings, durationMs: runtime.clock.monotonicMs() - startedMs })
  } finally {
    await source.close()
    await connection.close()
  }
}

type Findings = Omit<VerifyFindings, 'durationMs'>

async function examine(deps: VerifyDeps, connection: Connection): Promise<Findings> {
  const { job } = deps
  if (!(await hasOwnTables(connection))) {
    return nothingFound(job, 'this database has no tables of oncesink: the job has never run here')
  }
  const described = await describeTables(job, connection)
  const snapshot = await connection.begin('snapshot')
  try {
    return await examineSnapshot(deps, snapshot, described)
  } finally {
    await snapshot.rollback()
  }
}

async function examineSnapshot(
  deps: VerifyDeps,
  snapshot: Transaction,
  described: readonly (TableDescription | null)[],
): Promise<Findings> {
  const { job, source, runtime } = deps
  await refuseOtherShape(job, snapshot)
  const ledger = await snapshot.readLedger(job.name)
  const positions = await readPositions(job, snapshot)
  if (typeof positions === 'string') {
    return { ...nothingFound(job, positions), chain: unreadableChain(ledger, positions) }
  }
  const chain = checkChain(ledger, positions, runtime.clock.wallMs() - job.ledger.retentionMs)
  deps.onProgress(`the ledger has ${chain.batches} batches over ${chain.partitions.length} partitions`)
  const letters = await readAllDeadLetters(snapshot, job.name)
  const deadLetters = new DeadLetterCheck(letters, ledger, positions)
  if (deps.chainOnly) {
    const nothing = nothingFound(job, '')
    return { ...nothing, chain, deadLetters: deadLetters.finish(), inconclusive: [], chainOnly: true }
  }

  await source.open()
  const lostTopics = await topicObstacles(source, positions)
  const left = chain.partitions.filter(({ topic }) => !lostTopics.has(topic))
  const { ranges, ...plan } = planReplay(left, await knownWatermarks(source, left))
  const obstacles = [...lostTopics.values(), ...plan.obstacles]
  const { checks, reasons } = checksOf(job, described, deps.writesChecked ?? false)
  const inconclusive = [...obstacles, ...reasons]
  const findings = {
    ...nothingFound(job, ''),
    chain,
    deadLetters: deadLetters.finish(),
    inconclusive,
  }
  // Half a log proves nothing about tables to which all partitions have added; of batches that it has it does.
  const isWhole = obstacles.length === 0
  const controlTotals = new ControlTotals(ledger, plan.readable, deps.digestsExpected)
  const task = isWhole ? compilePartitionTask(job.root, job.pipelines, runtime.clock, { way: 'plain' }) : null
  const topicIds = new Map(positions.map((position) => [position.topic, position.topicId]))
  const signal = deps.signal ?? new AbortController().signal
  const tolerant = letters.length > 0 || job.poison.kind === 'deadLetter'
  const oracle = {
    job,
    task,
    source,
    clock: runtime.clock,
    snapshot,
    signal,
    deadLetters: tolerant ? deadLetters : null,
    onProgress: deps.onProgress,
  }
  const toRead = isWhole ? ranges : plan.readable
  const toCompare = isWhole ? checks : []
  try {
    const { tables, records } = await consultOracle(oracle, toRead, topicIds, toCompare, (fetched, of) => {
      controlTotals.add(fetched, of)
      if (isWhole) deps.onRange?.(fetched)
    })
    const totals = toRead.length > 0 || isWhole ? controlTotals.finish() : null
    return { ...findings, controlTotals: totals, tables, recordsReplayed: records, replayedAll: isWhole }
  } catch (error) {
    if (!(error instanceof OncesinkError) || !logHasChanged.has(error.code)) throw error
    const totals = controlTotals.finish()
    return { ...findings, controlTotals: totals, inconclusive: [...inconclusive, error.message] }
  }
}

/** Why the log can no longer be recomputed, found out while reading it: the outcome, not a failure of verify. */
const logHasChanged = new Set<OncesinkError['code']>([
  'OFFSET_OUT_OF_RANGE',
  'LOG_TRUNCATED',
  'TOPIC_RECREATED',
  'JOB_FUNCTION_FAILED',
])

function nothingFound(job: Job, reason: string): Findings {
  const chain = checkChain([], [])
  return {
    job: job.name,
    chain,
    deadLetters: new DeadLetterCheck([], [], []).finish(),
    controlTotals: null,
    tables: [],
    inconclusive: [reason],
    recordsReplayed: 0,
    replayedAll: false,
    chainOnly: false,
  }
}

/** The positions, or what is wrong with them when they contradict themselves. */
async function readPositions(job: Job, snapshot: Transaction): Promise<readonly PositionRow[] | string> {
  try {
    return await snapshot.readPositions(job.name)
  } catch (error) {
    if (error instanceof OncesinkError && error.code === 'INVARIANT_VIOLATED') return error.message
    throw error
  }
}

async function refuseOtherShape(job: Job, snapshot: Transaction): Promise<void> {
  const stored = await snapshot.readJob(job.name)
  if (!stored || stored.shape === shapeOf(job)) return
  throw new OncesinkError(
    'JOB_IDENTITY_CONFLICT',
    `job '${job.name}' has another shape than the one its tables were filled with, so they cannot be compared:\n` +
      `${describeShapeChange(stored.shape, shapeOf(job))}\n` +
      'Verify with the job file that is running.',
  )
}

async function describeTables(job: Job, connection: Connection): Promise<(TableDescription | null)[]> {
  const described: (TableDescription | null)[] = []
  for (const { sink } of job.pipelines) {
    described.push('table' in sink ? await connection.describeTable(sink.table) : null)
  }
  return described
}

function checksOf(
  job: Job,
  described: readonly (TableDescription | null)[],
  writesChecked: boolean,
): { checks: Checks; reasons: string[] } {
  const reasons: string[] = []
  const checks = job.pipelines.map((pipeline, i) => {
    if (writesChecked && !('table' in pipeline.sink)) return null
    const check = checkOf(pipeline, described[i] ?? null)
    if (typeof check !== 'string') return check
    reasons.push(check)
    return null
  })
  return { checks, reasons }
}

/** The check of one pipeline's table, or why there is none. */
function checkOf(
  { terminal, sink }: PipelinePlan,
  description: TableDescription | null,
): TableCheck | string {
  if (!('table' in sink)) {
    return `what ${sink.kind}() has written cannot be recomputed: only merge, upsert and append tables can`
  }
  if (!description) return `table ${sink.table} does not exist`
  if (sink.kind === 'merge' && terminal.kind === 'aggregate')
    return createMergeCheck(terminal, sink, description)
  if (sink.kind === 'upsert') return createUpsertCheck(sink, description)
  if (sink.kind === 'append') return createAppendCheck(sink, description)
  return `${sink.kind}() after ${terminal.kind} cannot be recomputed`
}

/** Topics whose log is not the one that was read, each with why. */
async function topicObstacles(
  source: LogSource,
  positions: readonly PositionRow[],
): Promise<ReadonlyMap<string, string>> {
  const { topics } = await source.describe()
  const ids = new Map(topics.map((topic) => [topic.topic, topic.topicId]))
  const obstacles = new Map<string, string>()
  for (const { topic, topicId } of positions) {
    const id = ids.get(topic)
    if (id === undefined)
      obstacles.set(topic, `the job no longer subscribes to topic '${topic}', of which it has positions`)
    else if (id !== topicId) {
      obstacles.set(
        topic,
        `topic '${topic}' was deleted and created again (id ${topicId} is now ${id}): its log is gone`,
      )
    }
  }
  return obstacles
}

/** Bounds of the partitions that the log has; the chain may know others. */
async function knownWatermarks(
  source: LogSource,
  partitions: readonly TopicPartition[],
): Promise<Watermarks[]> {
  const { topics } = await source.describe()
  const counts = new Map(topics.map((topic) => [topic.topic, topic.partitions]))
  const exists = ({ topic, partition }: TopicPartition) => partition < (counts.get(topic) ?? 0)
  return source.watermarks(partitions.filter(exists))
}
