import { timestampMs } from '../../aggregation/timestamp.ts'
import { OncesinkError } from '../../errors.ts'
import type { SourcePlan } from '../../pipeline/plan.ts'
import type { StartFrom } from '../source.ts'
import { OptionReader } from './option-reader.ts'
import { type KafkaSasl, type KafkaTls, readSasl, readSsl } from './security.ts'
import { covers, type Subscription, selectedPartitions } from './subscription.ts'

/** What `kafka(...)` accepts. Every value is checked when the job is defined, and frozen. */
export interface KafkaOptions {
  /** Bootstrap addresses, `host:port` (IPv6 as `[address]:port`); at least one. The rest of the cluster is found. */
  readonly brokers: readonly string[]
  /**
   * Topics to read, by exact name; at least one. They must exist: oncesink never creates one.
   * Give this or `topicPattern`.
   */
  readonly topics?: readonly string[]
  /**
   * Reads every topic whose name this matches, as `RegExp.test` does: anywhere in the name, unless `^` and `$` bind it.
   * Kafka's internal topics never match. Topics that are created later are read from their earliest offset, without a
   * restart, whatever `startFrom` says; while none matches the job waits, with a warning. The flags `g` and `y` are
   * refused. Give this or `topics`.
   */
  readonly topicPattern?: RegExp
  /**
   * Reads only these partitions, by topic, as `{ orders: [0, 2] }`; topics that are not named are read whole. Each must
   * exist. Several processes may share a job by reading different ones. @default all
   */
  readonly partitions?: Readonly<Record<string, readonly number[]>>
  /**
   * Where a partition begins that has no position in SQL yet; never looked at afterwards.
   * Explicit offsets are inclusive bigints; partitions not named begin at the earliest offset. With a timestamp they
   * begin at the first record that has it or a later one, or at the end if there is none.
   * @default 'earliest'
   */
  readonly startFrom?: StartFrom
  /**
   * `read_committed` hides records of aborted transactions and waits at open ones; `read_uncommitted` shows all.
   * @default 'read_committed'
   */
  readonly isolation?: 'read_committed' | 'read_uncommitted'
  /**
   * Who owns which partition. `group`: all processes of the job divide them, by way of the Kafka consumer group
   * {@link group}, and whoever comes, goes or dies is made up for. `all`: this process owns every one that it reads, and a
   * second one takes the job over. @default 'group'
   */
  readonly assignment?: 'group' | 'all'
  /**
   * The name of this process in the group: a static member id, up to 249 letters, digits, ".", "_", "-". Who comes back
   * with it gets its partitions back at once. No two processes may have the same. To be given in containers, for example
   * from the name of the pod. @default made from job, host and a free slot on this machine
   */
  readonly member?: string
  /**
   * How long a member may be silent before its partitions go to the others, in milliseconds; within the brokers'
   * `group.min.session.timeout.ms` and `group.max.session.timeout.ms`. @default 10000, from 1
   */
  readonly sessionTimeoutMs?: number
  /**
   * How often a member is heard of, and hears that others have come or gone, in milliseconds; at most a third of
   * `sessionTimeoutMs`. @default 1000, from 1
   */
  readonly heartbeatIntervalMs?: number
  /**
   * How long a rebalance waits for a member to join again, which each does at once, in milliseconds; at least
   * `sessionTimeoutMs`. @default 30000, from 1
   */
  readonly rebalanceTimeoutMs?: number
  /**
   * The consumer group to which committed positions are mirrored, for `kafka-consumer-groups --describe` and lag
   * exporters; nothing is read back from it. It must be the job's own. @default the job's name
   */
  readonly group?: string
  /** Whether positions are mirrored to {@link group}. @default true */
  readonly groupMirror?: boolean
  /** Name by which brokers log and meter this client. @default 'oncesink' */
  readonly clientId?: string
  /**
   * TLS: `true`, or the options of Node's `tls.connect` (`ca`, and `cert` and `key` where the brokers want a client
   * certificate), as PEM text. @default plain text
   */
  readonly ssl?: KafkaTls
  /**
   * SASL: `{ mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512', username, password }`, where `password` is text or
   * a function; other mechanisms are handed through to kafkajs. @default none
   */
  readonly sasl?: KafkaSasl
  /** How long one broker may take to accept a connection, in milliseconds. @default 5000, from 1 */
  readonly connectionTimeoutMs?: number
  /**
   * How long a broker may take to answer one request before its connection is dropped, in milliseconds; more than
   * `fetch.maxWaitMs`. @default 10000, from 1
   */
  readonly requestTimeoutMs?: number
  /**
   * How often topics, partitions and leaders are asked for again, in milliseconds: how long a new topic or partition
   * may wait until it is noticed. @default 30000, from 100
   */
  readonly metadataRefreshMs?: number
  readonly fetch?: KafkaFetchOptions
}

/** How records are fetched. The brokers treat the byte limits as soft: one record batch is always sent whole. */
export interface KafkaFetchOptions {
  /** How long a broker holds a fetch that has nothing to return yet, in milliseconds. @default 500, 1 to 60000 */
  readonly maxWaitMs?: number
  /** Bytes that a broker waits for (up to `maxWaitMs`) before it answers. @default 1, from 1 */
  readonly minBytes?: number
  /** Bytes of one partition in one response. @default 1048576 (1 MiB), from 1024 */
  readonly maxBytesPerPartition?: number
  /** Bytes of one response; at least `maxBytesPerPartition`. @default 16777216 (16 MiB), up to 256 MiB */
  readonly maxBytes?: number
}

/** A Kafka source with every option resolved, validated and frozen. Made by {@link kafka}. */
export interface KafkaSourcePlan extends SourcePlan, Subscription {
  readonly kind: 'kafka'
  readonly brokers: readonly string[]
  readonly startFrom: StartFrom
  readonly isolation: 'read_committed' | 'read_uncommitted'
  readonly assignment: 'group' | 'all'
  /** Null for one that is made from job, host and slot. */
  readonly member: string | null
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
  readonly rebalanceTimeoutMs: number
  /** Null for the job's name. */
  readonly group: string | null
  readonly groupMirror: boolean
  readonly clientId: string
  /** Secrets in it are not enumerable, so that a printed plan does not show them. */
  readonly ssl: KafkaTls | undefined
  readonly sasl: KafkaSasl | undefined
  readonly connectionTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly metadataRefreshMs: number
  readonly fetch: Required<KafkaFetchOptions>
}

const int32Max = 2 ** 31 - 1
const mebibyte = 1024 * 1024

/**
 * Describes a Kafka source.
 * @throws OncesinkError CONFIGURATION_INVALID that names the option and says what it should be
 */
export function kafka(options: KafkaOptions): KafkaSourcePlan {
  const read = new OptionReader('kafka', options)
  const plan: KafkaSourcePlan = {
    kind: 'kafka',
    brokers: read.strings('brokers', isBrokerAddress, 'must be addresses like "localhost:9092"'),
    ...readSubscription(read),
    startFrom: readStartFrom(read),
    isolation: read.oneOf('isolation', ['read_committed', 'read_uncommitted'], 'read_committed'),
    assignment: read.oneOf('assignment', ['group', 'all'], 'group'),
    member: readMember(read),
    sessionTimeoutMs: read.integer('sessionTimeoutMs', 10_000, 1, int32Max),
    heartbeatIntervalMs: read.integer('heartbeatIntervalMs', 1_000, 1, int32Max),
    rebalanceTimeoutMs: read.integer('rebalanceTimeoutMs', 30_000, 1, int32Max),
    group: read.raw('group') === undefined ? null : read.string('group', ''),
    groupMirror: read.boolean('groupMirror', true),
    clientId: read.string('clientId', 'oncesink'),
    ssl: readSsl(read.raw('ssl')),
    sasl: readSasl(read.raw('sasl')),
    connectionTimeoutMs: read.integer('connectionTimeoutMs', 5000, 1, int32Max),
    requestTimeoutMs: read.integer('requestTimeoutMs', 10_000, 1, int32Max),
    metadataRefreshMs: read.integer('metadataRefreshMs', 30_000, 100, int32Max),
    fetch: readFetch(read.nested('fetch')),
  }
  read.refuseUnknown()
  refuseContradictions(plan)
  return Object.freeze(plan)
}

function readMember(read: OptionReader): string | null {
  const value = read.raw('member')
  if (value === undefined) return null
  if (typeof value === 'string' && isTopicName(value)) return value
  throw read.invalid('member', 'must be 1 to 249 letters, digits, ".", "_", "-"')
}

function readFetch(read: OptionReader): Required<KafkaFetchOptions> {
  const fetch = {
    maxWaitMs: read.integer('maxWaitMs', 500, 1, 60_000),
    minBytes: read.integer('minBytes', 1, 1, int32Max),
    maxBytesPerPartition: read.integer('maxBytesPerPartition', mebibyte, 1024, 256 * mebibyte),
    maxBytes: read.integer('maxBytes', 16 * mebibyte, 1024, 256 * mebibyte),
  }
  read.refuseUnknown()
  return Object.freeze(fetch)
}

function readSubscription(read: OptionReader): Subscription {
  const [topics, pattern] = [read.raw('topics'), read.raw('topicPattern')]
  if (topics !== undefined && pattern !== undefined) {
    throw read.invalid('topicPattern', 'excludes topics: give one of them, names or a pattern')
  }
  const partitions = readPartitions(read)
  if (pattern !== undefined)
    return { topics: Object.freeze([]), topicPattern: readPattern(read, pattern), partitions }
  if (topics === undefined) throw read.invalid('topics', 'or topicPattern is needed, to say what to read')
  const cure = 'must be topic names (up to 249 letters, digits, ".", "_", "-")'
  return { topics: read.strings('topics', isTopicName, cure), topicPattern: null, partitions }
}

/** A copy: what `test` remembers of an expression lives in the object. */
function readPattern(read: OptionReader, value: unknown): RegExp {
  if (!(value instanceof RegExp)) throw read.invalid('topicPattern', 'must be a RegExp, like /^orders-/')
  if (value.global || value.sticky) {
    throw read.invalid(
      'topicPattern',
      `${String(value)} must not have the flag g or y, with which it matches by turns; remove it`,
    )
  }
  return Object.freeze(new RegExp(value.source, value.flags))
}

function readPartitions(read: OptionReader): Readonly<Record<string, readonly number[]>> {
  const value = read.raw('partitions')
  const cure = 'must be partition numbers by topic, like { orders: [0, 2] }'
  const partitions: Record<string, readonly number[]> = {}
  for (const [topic, numbers] of Object.entries(
    value === undefined ? {} : read.objectIn('partitions', value, cure),
  )) {
    const where = `partitions.${topic}`
    if (!Array.isArray(numbers) || numbers.length === 0) {
      throw read.invalid(
        where,
        'must be a non-empty array of partition numbers; leave the topic out to read all of it',
      )
    }
    const unfit: unknown = numbers.find((n) => !Number.isInteger(n) || n < 0 || n > int32Max)
    if (unfit !== undefined)
      throw read.invalid(where, `must hold partition numbers from 0; one of them is ${String(unfit)}`)
    const distinct = new Set(numbers as number[])
    if (distinct.size !== numbers.length)
      throw read.invalid(where, 'names a partition twice; name each one once')
    partitions[topic] = Object.freeze([...distinct].sort((a, b) => a - b))
  }
  return Object.freeze(partitions)
}

function readStartFrom(read: OptionReader): StartFrom {
  const value = read.raw('startFrom')
  if (value === undefined) return 'earliest'
  if (value === 'earliest' || value === 'latest') return value
  const cure = `must be 'earliest', 'latest', { offsets: { topic: { partition: 0n } } } or { timestamp: date }`
  const offsets = read.objectIn('startFrom', value, cure)
  if (Object.hasOwn(offsets, 'timestamp') && Object.keys(offsets).length === 1) {
    return Object.freeze({ timestamp: readTimestamp(read, offsets.timestamp) })
  }
  const named = read.objectIn('startFrom.offsets', offsets.offsets, cure)
  if (Object.keys(offsets).length !== 1) throw read.invalid('startFrom', cure)
  const topics: Record<string, Readonly<Record<number, bigint>>> = {}
  for (const [topic, partitions] of Object.entries(named)) {
    const where = `startFrom.offsets.${topic}`
    const byPartition: Record<number, bigint> = {}
    for (const [partition, offset] of Object.entries(read.objectIn(where, partitions, cure))) {
      if (!/^\d{1,9}$/.test(partition)) throw read.invalid(where, 'must be keyed by partition numbers from 0')
      if (typeof offset !== 'bigint' || offset < 0n || offset > BigInt(Number.MAX_SAFE_INTEGER)) {
        throw read.invalid(`${where}.${partition}`, 'must be an offset: a bigint from 0n, like 1200n')
      }
      byPartition[Number(partition)] = offset
    }
    topics[topic] = Object.freeze(byPartition)
  }
  return Object.freeze({ offsets: Object.freeze(topics) })
}

/** As text: a Date could be changed later. */
function readTimestamp(read: OptionReader, value: unknown): string {
  const cure = 'must be a Date or an ISO 8601 string such as 2026-01-31T12:00:00Z, not before 1970'
  if (!(value instanceof Date) && typeof value !== 'string') throw read.invalid('startFrom.timestamp', cure)
  try {
    const ms = timestampMs(value)
    if (ms >= 0) return new Date(ms).toISOString()
  } catch {
    // What is wrong with it is what the cure below says.
  }
  throw read.invalid('startFrom.timestamp', cure)
}

function refuseContradictions(plan: KafkaSourcePlan): void {
  const refuse = (message: string) => {
    throw new OncesinkError('CONFIGURATION_INVALID', `kafka(): ${message}`)
  }
  const refuseUncovered = (option: string, topics: readonly string[]) => {
    const uncovered = topics.find((topic) => !covers(plan, topic))
    if (uncovered === undefined) return
    const where =
      plan.topicPattern === null
        ? 'which is not in topics; add it there'
        : `which topicPattern ${String(plan.topicPattern)} does not match; correct one of them`
    refuse(`${option} names "${uncovered}", ${where}`)
  }
  if (new Set(plan.topics).size !== plan.topics.length)
    refuse('topics names a topic twice; name each one once')
  refuseUncovered('partitions', Object.keys(plan.partitions))
  if (typeof plan.startFrom === 'object' && 'offsets' in plan.startFrom) {
    const { offsets } = plan.startFrom
    refuseUncovered('startFrom.offsets', Object.keys(offsets))
    for (const [topic, byPartition] of Object.entries(offsets)) {
      const selected = selectedPartitions(plan, topic)
      const unread = Object.keys(byPartition).find(
        (partition) => selected?.includes(Number(partition)) === false,
      )
      if (unread === undefined) continue
      refuse(
        `startFrom.offsets.${topic} names partition ${unread}, which partitions.${topic} leaves out; correct one of them`,
      )
    }
  }
  refuseGroupContradictions(plan, refuse)
  if (plan.fetch.maxBytes < plan.fetch.maxBytesPerPartition) {
    refuse('fetch.maxBytes is smaller than fetch.maxBytesPerPartition; raise the former or lower the latter')
  }
  if (plan.requestTimeoutMs <= plan.fetch.maxWaitMs) {
    refuse('requestTimeoutMs must be more than fetch.maxWaitMs, or every idle fetch would time out')
  }
}

function refuseGroupContradictions(plan: KafkaSourcePlan, refuse: (message: string) => void): void {
  if (plan.assignment === 'all') {
    if (plan.group !== null && !plan.groupMirror) {
      refuse(
        "group names a consumer group, but with assignment: 'all' and groupMirror: false nothing is done with it; remove it",
      )
    }
    if (plan.member !== null) {
      refuse("member is a name in a group, which assignment: 'all' does not join; remove one of them")
    }
    return
  }
  if (plan.heartbeatIntervalMs * 3 > plan.sessionTimeoutMs) {
    refuse(
      'heartbeatIntervalMs must be at most a third of sessionTimeoutMs, or one lost heartbeat would end the session',
    )
  }
  if (plan.rebalanceTimeoutMs < plan.sessionTimeoutMs) {
    refuse(
      'rebalanceTimeoutMs must be at least sessionTimeoutMs, so that a rebalance does not end without a member that lives',
    )
  }
}

function isBrokerAddress(text: string): boolean {
  const match = /^(?:\[[0-9a-fA-F:.]+\]|[^\s:[\]]+):(\d{1,5})$/.exec(text)
  const port = Number(match?.[1])
  return port >= 1 && port <= 65_535
}

function isTopicName(text: string): boolean {
  return /^[a-zA-Z0-9._-]{1,249}$/.test(text) && text !== '.' && text !== '..'
}
