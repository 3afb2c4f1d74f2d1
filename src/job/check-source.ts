import type { PositionRow } from '../database/dialect.ts'
import { asError, OncesinkError } from '../errors.ts'
import type { GroupUse, SeekPosition, Source, SourceDescription } from '../source/source.ts'
import { type Finding, findingsOf } from './finding.ts'

/** How long the first record may take, in milliseconds. */
const READ_LIMIT_MS = 5_000

export interface SourceState {
  readonly findings: readonly Finding[]
  /** Null when the brokers did not tell. */
  readonly described: SourceDescription | null
}

/** Whether the brokers answer, take the credentials, and have the topics. */
export async function checkBrokers(source: Source): Promise<SourceState> {
  const found = findingsOf('brokers')
  try {
    await source.open()
    const described = await source.describe()
    const topics = described.topics.map(({ topic, partitions }) =>
      findingsOf(`topic ${topic}`).ok(`${partitions} partitions`),
    )
    if (topics.length === 0) {
      topics.push(
        findingsOf('topics').warning('no topic matches the subscription yet: check it, or create the topic'),
      )
    }
    return { findings: [found.ok(`cluster ${described.clusterId}`), ...topics], described }
  } catch (error) {
    const missing = error instanceof OncesinkError && error.code === 'TOPIC_MISSING'
    return { findings: [missing ? findingsOf('topics').failed(error) : found.failed(error)], described: null }
  }
}

/**
 * Whether the log still continues every stored position, and whether records can be read (which needs the right to).
 * @param positions null where the database did not tell; empty before the first start
 */
export async function checkReading(
  source: Source,
  described: SourceDescription,
  positions: readonly PositionRow[] | null,
): Promise<Finding[]> {
  const stored = findingsOf('positions')
  const findings: Finding[] = []
  try {
    if (positions !== null && positions.length > 0) {
      const lost = (await source.examine(positions)).filter((error) => error !== null)
      findings.push(...lost.map(stored.failed))
      if (lost.length === 0) {
        findings.push(stored.ok(`the log continues all ${positions.length} stored positions`))
      }
    } else if (positions !== null) {
      findings.push(stored.ok('none stored yet: the first start begins where startFrom says'))
    }
  } catch (error) {
    findings.push(stored.failed(error))
  }
  return [...findings, await readOne(source, described)]
}

/** Whether the job may use its consumer group. Without the mirror alone it runs all the same. */
export async function checkGroup(
  source: Source,
  job: string,
  { name: group, use }: { readonly name: string; readonly use: GroupUse },
): Promise<Finding> {
  const found = findingsOf(`consumer group ${group}`)
  try {
    await source.checkGroup(group, job, use)
    return found.ok(use === 'join' ? 'a process of this job may join it' : 'positions can be mirrored to it')
  } catch (error) {
    return use === 'join' ? found.failed(error) : found.warning(asError(error).message)
  }
}

/** Reads at the beginning of the log, whatever the positions are: it is the right to read that is in question. */
async function readOne(source: Source, described: SourceDescription): Promise<Finding> {
  const found = findingsOf('reading')
  try {
    const partitions = described.topics.flatMap(({ topic, topicId, partitions: count }) =>
      Array.from({ length: count }, (_, partition) => ({ topic, topicId, partition })),
    )
    const bounds = await source.watermarks(partitions)
    const readable = partitions.flatMap((tp, i): SeekPosition[] => {
      const bound = bounds[i]
      return bound && bound.high > bound.low ? [{ ...tp, nextOffset: bound.low, leaderEpoch: -1 }] : []
    })
    if (readable.length === 0) return found.ok('the topics are empty: nothing to read yet')
    await source.seek(readable)
    const limits = {
      maxRecords: 1,
      maxWaitMs: READ_LIMIT_MS,
      includeEmptyRanges: true,
      order: 'fair',
    } as const
    const taken = await source.take(limits, new AbortController().signal)
    if (taken.length > 0) return found.ok('records can be fetched')
    return found.warning(
      `the topics hold records, but none came within ${READ_LIMIT_MS} ms: a transaction may be open, or the brokers slow`,
    )
  } catch (error) {
    return found.failed(error)
  }
}
