import { stderr } from 'node:process'
import { asError, ExitCode as Exit, type ExitCode } from '../errors.ts'
import type { Job } from '../job/job.ts'
import { loadJob } from '../job/load-job.ts'
import { topicPartitionKey } from '../model/topic-partition.ts'
import { partitionsToRead } from '../source/source.ts'
import { groupOf } from '../wire.ts'
import { type Inspection, inspect, requireStarted } from './inspect.ts'
import { type OutputFormat, printTable } from './output.ts'
import { watch } from './watch.ts'

/**
 * `oncesink status`: what is stored, and how far the log is ahead of it.
 * @param everySeconds how often it is shown again, until a signal ends it; null, the default: once
 */
export async function status(
  file: string,
  format: OutputFormat,
  everySeconds: number | null = null,
): Promise<ExitCode> {
  const job = await loadJob(file)
  const look = async () => printTable(format, await statusOf(job), '(no partitions)')
  if (everySeconds === null) await look()
  else await watch(look, everySeconds)
  return Exit.ok
}

async function statusOf(job: Job) {
  return await inspect(job, async (inspection) => {
    requireStarted(job, inspection)
    const ends = await logEnds(inspection)
    const mirrored = await mirroredOffsets(job, inspection)
    return inspection.positions.map((position, i) => {
      const end = ends.get(topicPartitionKey(position)) ?? null
      return {
        topic: position.topic,
        partition: position.partition,
        nextOffset: position.nextOffset,
        logEnd: end,
        lag: end === null ? null : end > position.nextOffset ? end - position.nextOffset : 0n,
        groupOffset: mirrored[i] ?? null,
        batches: position.seq,
        epoch: position.epoch,
        owner: position.owner,
        updatedAt: position.updatedAt.toISOString(),
      }
    })
  })
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
