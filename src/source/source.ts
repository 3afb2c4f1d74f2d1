import type { OncesinkError } from '../errors.ts'
import type { OffsetRange } from '../model/offset-range.ts'
import type { TopicPartition } from '../model/topic-partition.ts'
import type { SegmentSlice } from './record-segment.ts'

/**
 * The port behind which Kafka (or a simulation) stands.
 *
 * A source never decides where a job resumes: `seek` does, and it is called for every partition after every claim.
 */
export interface Source {
  /**
   * Connects.
   * @throws OncesinkError SOURCE_UNAVAILABLE (nobody answers), SOURCE_REFUSED (credentials, authorisation),
   *   TOPIC_MISSING
   */
  open(): Promise<void>

  /**
   * Asks the brokers, now, for the cluster and the subscribed topics. Same errors as {@link open}; CONFIGURATION_INVALID
   * where a selected partition does not exist.
   * @param expected topics of which there are positions: one that the subscription covers and no broker knows (for a
   *   while) is TOPIC_MISSING; without it only topics subscribed by name are
   */
  describe(expected?: readonly string[]): Promise<SourceDescription>

  /** Whether the subscription takes in a topic of this name, existing or not. */
  covers(topic: string): boolean

  /** Where the configured `startFrom` begins for each partition, in the order given. */
  startOffsets(partitions: readonly TopicPartition[], startFrom: StartFrom): Promise<bigint[]>

  /** The log's bounds now, in the order given. */
  watermarks(partitions: readonly TopicPartition[]): Promise<Watermarks[]>

  /**
   * Sets where each partition's next fetch starts, drops everything buffered for it, and from then on refuses
   * responses to fetches that were sent before. Before it resolves it has compared topic ids and asked the leaders
   * whether the log was truncated below the position.
   * @throws OncesinkError TOPIC_RECREATED, LOG_TRUNCATED, OFFSET_OUT_OF_RANGE, SOURCE_UNAVAILABLE
   */
  seek(positions: readonly SeekPosition[]): Promise<void>

  /**
   * Compares positions with the log as {@link seek} does, and moves nothing.
   * @returns in the order given: null where the position holds, else why it does not (a `PositionLost`), or why
   *   that could not be found out
   * @throws OncesinkError SOURCE_REFUSED
   */
  examine(positions: readonly SeekPosition[]): Promise<(OncesinkError | null)[]>

  /** Stops reading partitions, and drops what is buffered for them. */
  drop(partitions: readonly TopicPartition[]): void

  /**
   * Takes buffered records, at most one range per partition, in partition order, and waits for them if there are
   * none. Each range starts where the partition's previous one ended (or at the last seek). Returns early, perhaps
   * with nothing, when `limits.maxWaitMs` has passed or `signal` is aborted.
   * @throws OncesinkError the reason why reading cannot go on (OFFSET_OUT_OF_RANGE, TOPIC_RECREATED, ...); passing
   *   troubles are retried inside and reported as events
   */
  take(limits: TakeLimits, signal: AbortSignal): Promise<FetchedRange[]>

  /**
   * What {@link take} could take of each partition, up to `limits.maxRecords` of each one; `limits.order` does not matter.
   * Waits as `take` does until that is something, and takes nothing. Same errors.
   * @returns in partition order, without those of which there is nothing
   */
  offer(limits: TakeLimits, signal: AbortSignal): Promise<PartitionOffer[]>

  /**
   * Tells the brokers how far the job is, as the offsets of a consumer group, for their tools and for lag exporters.
   * Nothing is ever read back from there to decide anything.
   * @throws OncesinkError SOURCE_UNAVAILABLE; SOURCE_REFUSED, also when somebody else uses the group
   */
  mirrorOffsets(group: string, offsets: readonly GroupOffset[]): Promise<void>

  /**
   * What the brokers have of {@link mirrorOffsets}, in the order given, for people to look at; null where there is none.
   * @throws OncesinkError SOURCE_UNAVAILABLE, SOURCE_REFUSED
   */
  groupOffsets(group: string, partitions: readonly TopicPartition[]): Promise<(bigint | null)[]>

  /**
   * Who has joined a consumer group, and what the group has assigned to each; sorted by name, for people to look at.
   * @throws OncesinkError SOURCE_UNAVAILABLE, SOURCE_REFUSED
   */
  groupMembers(group: string): Promise<GroupMember[]>

  /**
   * Whether a process of `job` could join a consumer group now, or mirror offsets to it: it needs the right, and members
   * that it gets along with. Asked without joining it; it changes nothing there.
   * @throws OncesinkError SOURCE_REFUSED with the right to grant, or what else to do; SOURCE_UNAVAILABLE
   */
  checkGroup(group: string, job: string, use: GroupUse): Promise<void>

  /** What is known, without asking, of every partition being read. */
  progress(): PartitionProgress[]

  /** Closes connections. Never throws. */
  close(): Promise<void>
}

/**
 * A log that is read again, to check what was made of it. A {@link Source} is one; what checks a job on Kafka uses another
 * reader than the job, so that a record that the job's reader leaves out is not missing from the check as well.
 */
export interface LogSource
  extends Pick<Source, 'open' | 'describe' | 'watermarks' | 'seek' | 'drop' | 'close'> {
  /** As {@link Source.take}. */
  take(limits: ReplayLimits, signal: AbortSignal): Promise<FetchedRange[]>
}

/** Stretches without visible records are taken as well, and nothing past `until`. */
export interface ReplayLimits extends TakeLimits {
  readonly includeEmptyRanges: true
  readonly order: 'fair'
  readonly until: ReadonlyMap<string, bigint>
}

/** What could be taken of one partition. */
export interface PartitionOffer extends TopicPartition {
  /** Visible records, at most so many; 0 where there is only a stretch without any, which `includeEmptyRanges` asks for. */
  readonly records: number
  /** Bytes of these records, as fetched. */
  readonly bytes: number
  /** Bytes of the first of them. */
  readonly firstBytes: number
}

export interface GroupOffset extends TopicPartition {
  /** Next offset to read. */
  readonly offset: bigint
}

/** What a job does with a consumer group: it shares its partitions among the members, or only mirrors positions. */
export type GroupUse = 'join' | 'mirror'

export interface GroupMember {
  /** The member's own id where it is a static one, else what the brokers call it. */
  readonly member: string
  /** The address that it comes from, as its broker sees it. */
  readonly host: string
  /** In partition order. */
  readonly partitions: readonly TopicPartition[]
}

export interface SourceDescription {
  readonly clusterId: string
  /** Sorted by topic name. */
  readonly topics: readonly TopicDescription[]
}

export interface TopicDescription {
  readonly topic: string
  /** Kafka's id of the topic: a UUID with dashes. A recreated topic has another one. */
  readonly topicId: string
  /** Number of partitions; they are numbered from 0. */
  readonly partitions: number
  /**
   * Whether a pattern has matched it, not a name: then it may have been created long after the job began, and begins
   * at its earliest offset.
   */
  readonly byPattern: boolean
  /** The partitions that are read, ascending, where not all of them are. */
  readonly selected?: readonly number[]
}

/**
 * Where a partition that has no position in SQL yet begins:
 * - `earliest`: the log start offset;
 * - `latest`: the last stable offset (read_committed) or the high watermark (read_uncommitted);
 * - explicit offsets: by topic, then by partition; each named partition begins at that offset (inclusive).
 *   Partitions that are not named begin at earliest;
 * - a timestamp: the first offset whose record has this timestamp or a later one, or where `latest` begins if there is
 *   none. A Date, or an ISO 8601 string with `Z` or an offset, not before 1970.
 */
export type StartFrom =
  | 'earliest'
  | 'latest'
  | { readonly offsets: Readonly<Record<string, Readonly<Record<number, bigint>>>> }
  | { readonly timestamp: Date | string }

export interface Watermarks extends TopicPartition {
  /** Log start offset: the first offset that can still be read. */
  readonly low: bigint
  /** High watermark: the offset after the last replicated record. */
  readonly high: bigint
  /** Last stable offset: the first offset that belongs to an open transaction, else the high watermark. */
  readonly lastStable: bigint
}

export interface SeekPosition extends TopicPartition {
  readonly nextOffset: bigint
  /** Leader epoch of the last committed record batch, or -1 when unknown (nothing committed yet). */
  readonly leaderEpoch: number
  /** Topic id that the position belongs to. */
  readonly topicId: string
}

export interface TakeLimits {
  /**
   * Upper bound of records over all ranges. With 0 nothing is taken but stretches without visible records, where
   * {@link includeEmptyRanges} asks for them.
   */
  readonly maxRecords: number
  /** Where given, upper bound of the records of each partition; at least 1. */
  readonly maxRecordsPerPartition?: number
  /** Where given, upper bound of the records of these partitions, by `topicPartitionKey`; each at least 1. */
  readonly maxRecordsOf?: ReadonlyMap<string, number>
  /**
   * Where given, upper bound of the records' bytes over all ranges, as fetched; at least 1. A record that has more comes
   * alone.
   */
  readonly maxBytes?: number
  /** How long to wait for the first record, in milliseconds. */
  readonly maxWaitMs: number
  /**
   * Whether to return ranges without visible records (control batches, aborted transactions) when there is nothing
   * else. When false they are kept and become part of the partition's next range.
   */
  readonly includeEmptyRanges: boolean
  /**
   * `fair`: every partition with data gets its share. `sequential`: partitions in order, each drained before the
   * next one is touched (how a rejected batch is bisected).
   */
  readonly order: 'fair' | 'sequential'
  /**
   * Where given, nothing at or past this offset is taken from the partition (exclusive upper bounds by
   * `topicPartitionKey`); partitions that are not named are not bounded.
   */
  readonly until?: ReadonlyMap<string, bigint>
}

/** A half-open range of one partition with all its visible records. */
export interface FetchedRange {
  readonly range: OffsetRange
  /** Number of visible records. */
  readonly records: number
  /** Bytes of the log that the range covers, as fetched. */
  readonly bytes: number
  /** Visible records in offset order. */
  readonly slices: readonly SegmentSlice[]
  /** Leader epoch of the last record batch of the range. */
  readonly leaderEpoch: number
}

export interface PartitionProgress extends TopicPartition {
  /** Next offset that {@link Source.take} will return. */
  readonly position: bigint
  /** End of the log for this job's isolation level, as of the last fetch response. */
  readonly endOffset: bigint
  readonly bufferedBytes: number
  readonly bufferedRecords: number
}

/** The partitions of a topic that are read. */
export function partitionsToRead({ partitions, selected }: TopicDescription): readonly number[] {
  return selected ?? Array.from({ length: partitions }, (_, partition) => partition)
}
