import { stderr, stdout } from 'node:process'
import type { PositionRow } from '../database/dialect.ts'
import { asError, ExitCode as Exit, type ExitCode } from '../errors.ts'
import type { Job } from '../job/job.ts'
import { loadJob } from '../job/load-job.ts'
import { topicPartitionKey } from '../model/topic-partition.ts'
import { type GroupMember, partitionsToRead } from '../source/source.ts'
import { groupOf, sharedGroupOf } from '../wire.ts'
import { type Inspection, inspect, requireStarted } from './inspect.ts'
import { type OutputFormat, printJson, printTable } from './output.ts'
import { watch } from './watch.ts'

/**
 * `oncesink status`: what is stored, how far the log is ahead of it, and which process has what.
 * @param everySeconds how often it is shown again, until a signal ends it; null, the default: once
 */
export async function status(
  file: string,
  format: OutputFormat,
  everySeconds: number | null = null,
): Promise<ExitCode> {
  const job = await loadJob(file)
  const look = async () => print(await statusOf(job), format)
  if (everySeconds === null) await look()
  else await watch(look, everySeconds)
  return Exit.ok
}

function print({ partitions, members }: Awaited<ReturnType<typeof statusOf>>, format: OutputFormat): void {
  if (format === 'json') {
    printJson({ partitions, members })
    return
  }
  printTable(format, partitions, '(no partitions)')
  if (members.length === 0) return
  stdout.write('\n')
  printTable(format, members.map(shownMember), '')
}

async function statusOf(job: Job) {
  return await inspect(job, async (inspection) => {
    requireStarted(job, inspection)
    const ends = await logEnds(inspection)
    const mirrored = await mirroredOffsets(job, inspection)
    const joined = await groupMembers(job, inspection)
    return {
      partitions: inspection.positions.map((position, i) =>
        partitionRow(position, ends.get(topicPartitionKey(position)) ?? null, mirrored[i] ?? null, joined),
      ),
      members: joined.map((one) => memberRow(one, inspection.positions)),
    }
  })
}

function partitionRow(
  position: PositionRow,
  logEnd: bigint | null,
  groupOffset: bigint | null,
  members: readonly GroupMember[],
) {
  const key = topicPartitionKey(position)
  const has = ({ partitions }: GroupMember) => partitions.some((tp) => topicPartitionKey(tp) === key)
  return {
    topic: position.topic,
    partition: position.partition,
    nextOffset: position.nextOffset,
    logEnd,
    lag: logEnd === null ? null : logEnd > position.nextOffset ? logEnd - position.nextOffset : 0n,
    groupOffset,
    batches: position.seq,
    epoch: position.epoch,
    member: members.find(has)?.member ?? null,
    owner: position.owner,
    updatedAt: position.updatedAt.toISOString(),
  }
}

interface MemberRow {
  readonly member: string
  readonly host: string
  /** What the group has assigned to it. */
  readonly partitions: readonly string[]
  /** Who has claimed these in the database: this member, unless it has just got them. */
  readonly owners: readonly string[]
}

function memberRow({ member, host, partitions }: GroupMember, positions: readonly PositionRow[]): MemberRow {
  const keys = new Set(partitions.map(topicPartitionKey))
  const claimed = positions.filter((position) => keys.has(topicPartitionKey(position)))
  const owners = new Set(claimed.flatMap(({ owner }) => owner ?? []))
  return { member, host, partitions: [...keys], owners: [...owners].sort() }
}

function shownMember({ member, host, partitions, owners }: MemberRow) {
  return {
    member,
    host,
    count: partitions.length,
    partitions: partitions.join(' '),
    owners: owners.join(' '),
  }
}

/**
 * Where the log ends, by partition: of what the job reads. It may have positions besides, of topics and partitions
 * that it no longer reads, or never has.
 */
async function logEnds({ source, positions }: Inspection): Promise<ReadonlyMap<string, bigint>> {
  const { topics } = await source.describe()
  const read = new Set(
    topics.flatMap((topic) =>
      partitionsToRead(topic).map((partition) => topicPartitionKey({ topic: topic.topic, partition })),
    ),
  )
  const bounds = await source.watermarks(positions.filter((tp) => read.has(topicPartitionKey(tp))))
  return new Map(bounds.map((bound) => [topicPartitionKey(bound), bound.lastStable]))
}

/** What the job's consumer group says, which is for looking only; nulls where it cannot be asked. */
async function mirroredOffsets(
  job: Job,
  { source, positions }: Inspection,
): Promise<readonly (bigint | null)[]> {
  const group = groupOf(job)
  if (group === null) return []
  try {
    return await source.groupOffsets(group, positions)
  } catch (error) {
    stderr.write(`the offsets of consumer group '${group}' are not known: ${asError(error).message}\n`)
    return []
  }
}

/** Who has joined the job's group, which is for looking only; none where it cannot be asked, or there is no group. */
async function groupMembers(job: Job, { source }: Inspection): Promise<readonly GroupMember[]> {
  const group = sharedGroupOf(job)
  if (group === null) return []
  try {
    return await source.groupMembers(group)
  } catch (error) {
    stderr.write(`the members of consumer group '${group}' are not known: ${asError(error).message}\n`)
    return []
  }
}
