import type { Message } from 'kafkajs'
import { onTestFinished } from 'vitest'
import { json } from '../../src/decode/json.ts'
import { OncesinkError } from '../../src/errors.ts'
import { count, sum } from '../../src/index.ts'
import { defineJob, type JobOptions } from '../../src/job/define-job.ts'
import type { Job } from '../../src/job/job.ts'
import { type RunningJob, type StartOptions, start } from '../../src/job/start.ts'
import { from } from '../../src/pipeline/from.ts'
import type { Pipeline } from '../../src/pipeline/pipeline.ts'
import type { Stream } from '../../src/pipeline/stream.ts'
import type { FaultPoint } from '../../src/runtime/fault-points.ts'
import { type Runtime, systemRuntime } from '../../src/runtime/runtime.ts'
import { append } from '../../src/sink/append.ts'
import { merge } from '../../src/sink/merge.ts'
import { type KafkaOptions, kafka } from '../../src/source/kafka/options.ts'
import { EventBus, type JobEventBus, type JobEvents } from '../../src/telemetry/events.ts'
import { brokenLinks, type LedgerEntry, type PositionEntry } from './broken-links.ts'
import {
  createDatabaseOn,
  type EngineTypes,
  postgresEngine,
  type TestDatabase,
  type TestEngine,
} from './engines.ts'
import { eventually } from './eventually.ts'
import { addPartitions, produceAfresh } from './kafka-admin.ts'
import { createTopic, kafkaService, produce } from './kafka-service.ts'
import { uniqueName } from './unique.ts'

/** A record's value. */
export interface Order {
  readonly k: string
  readonly v: number
}

/** A record that a test has produced, at the offset where it must be. */
export interface ProducedOrder extends Order {
  readonly partition: number
  readonly offset: number
}

export interface BenchOptions {
  /** Partitions of the topic. Default 2. */
  readonly partitions?: number
  /** Default: the Kafka of this run. */
  readonly brokers?: string[]
  /** Default: PostgreSQL. */
  readonly engine?: TestEngine
  /** URL of the server on which the database is made. Default: the engine's of this run. */
  readonly serverUrl?: string
  /** The tables of the test. Default: those of {@link totalsAndSeen}. */
  readonly tables?: string | ((types: EngineTypes) => string)
}

export interface BenchJobOptions extends Partial<Omit<JobOptions, 'pipeline'>> {
  /** URL of the database, where it is not reached directly. */
  readonly url?: string
  readonly source?: Partial<KafkaOptions>
  /** Default: {@link totalsAndSeen}. */
  readonly pipelines?: (orders: Stream<Order>) => Pipeline | readonly Pipeline[]
}

/** What the default job writes to: totals by key, and one row per record. Nothing in them refuses a duplicate. */
export function defaultTables({ text }: EngineTypes): string {
  return `
    CREATE TABLE totals (k ${text} PRIMARY KEY, n bigint NOT NULL, total bigint NOT NULL);
    CREATE TABLE seen ("partition" int NOT NULL, log_offset bigint NOT NULL, v bigint NOT NULL);`
}

export function intoTotals(orders: Stream<Order>): Pipeline {
  return orders
    .groupBy({ k: (order) => order.k })
    .aggregate({ n: count(), total: sum((order) => order.v) })
    .into(merge({ table: 'totals' }))
}

export function intoSeen(orders: Stream<Order>): Pipeline {
  return orders
    .map(({ v }) => ({ v }))
    .into(append({ table: 'seen', meta: { partition: 'partition', offset: 'log_offset' } }))
}

/** For a table that has a column for the key too. */
export function intoSeenWithText(orders: Stream<Order>): Pipeline {
  return orders
    .map(({ k, v }) => ({ k, v }))
    .into(append({ table: 'seen', meta: { partition: 'partition', offset: 'log_offset' } }))
}

export function totalsAndSeen(orders: Stream<Order>): readonly Pipeline[] {
  return [intoTotals(orders), intoSeen(orders)]
}

/** Opens a fresh topic and a fresh database for one test. */
export async function openBench(stem: string, options: BenchOptions = {}): Promise<Bench> {
  const { partitions = 2, brokers = kafkaService().brokers, engine = postgresEngine } = options
  const { tables = defaultTables } = options
  const [topic, database] = await Promise.all([
    createTopic(stem, { partitions, brokers }),
    createDatabaseOn(engine, stem.replaceAll('-', '_'), options.serverUrl),
  ])
  const ddl = typeof tables === 'string' ? tables : tables(engine.types)
  if (ddl !== '') await database.run(ddl)
  return new Bench(uniqueName(stem), topic, partitions, brokers, database)
}

/**
 * A topic, a database and what was produced, so that a test can say what must be in the tables. Where a test deletes
 * records or aborts transactions, offsets are its own business.
 */
export class Bench {
  readonly name: string
  readonly topic: string
  readonly brokers: string[]
  readonly database: TestDatabase
  readonly produced: ProducedOrder[] = []
  readonly #ends: number[]
  #produce: (topic: string, records: Message[], brokers: string[]) => Promise<void> = produce

  constructor(name: string, topic: string, partitions: number, brokers: string[], database: TestDatabase) {
    this.name = name
    this.topic = topic
    this.brokers = brokers
    this.database = database
    this.#ends = Array<number>(partitions).fill(0)
  }

  /** Raises the number of partitions; records are produced to all of them from now on. */
  async addPartitions(partitions: number): Promise<void> {
    await addPartitions(this.topic, partitions, this.brokers)
    while (this.#ends.length < partitions) this.#ends.push(0)
    this.#produce = produceAfresh
  }

  /** Appends `orders`, or that many generated ones, round robin over the partitions (or all to `partition`). */
  async produce(orders: number | readonly Order[], partition?: number): Promise<void> {
    const values = typeof orders === 'number' ? generated(orders, this.produced.length) : orders
    const records = values.map((order, i) => {
      const to = partition ?? i % this.#ends.length
      const offset = this.#ends[to] ?? 0
      this.#ends[to] = offset + 1
      return { ...order, partition: to, offset }
    })
    await this.#produce(
      this.topic,
      records.map(({ k, v, partition: to }) => ({ partition: to, value: JSON.stringify({ k, v }) })),
      this.brokers,
    )
    this.produced.push(...records)
  }

  job(options: BenchJobOptions = {}): Job {
    const { url = this.database.url, source, pipelines = totalsAndSeen, ...rest } = options
    const orders = from(kafka({ brokers: this.brokers, topics: [this.topic], ...source })).decode(
      json<Order>(),
    )
    return defineJob({
      name: this.name,
      database: this.database.engine.database(url),
      pipeline: pipelines(orders),
      ...rest,
    })
  }

  /** Positions by partition; empty before the first claim. */
  async positions(): Promise<number[]> {
    return (await this.#positions()).map((row) => Number(row.next_offset))
  }

  /** Ledger rows, each partition's in their order. */
  ledger(): Promise<LedgerEntry[]> {
    return this.database.rows<LedgerEntry>(
      `SELECT * FROM ${this.#own('oncesink_batches')} WHERE job = :job
       ORDER BY topic, "partition", (kind = 'batch'), from_offset, until_offset`,
      { job: this.name },
    )
  }

  #positions(): Promise<PositionEntry[]> {
    return this.database.rows<PositionEntry>(
      `SELECT topic, "partition", next_offset, seq FROM ${this.#own('oncesink_offsets')} WHERE job = :job
       ORDER BY topic, "partition"`,
      { job: this.name },
    )
  }

  #own(table: string): string {
    return this.database.engine.own(table)
  }

  /** Resolves when everything that was produced is committed. */
  async untilCommitted(timeoutMs?: number): Promise<void> {
    await eventually(async () => {
      const positions = await this.positions()
      if (positions.length === this.#ends.length && this.#ends.every((end, p) => (positions[p] ?? 0) >= end))
        return true
      throw new Error(`positions are ${positions.join()}, logs end at ${this.#ends.join()}`)
    }, timeoutMs)
  }

  /** What is in `seen`, in log order. */
  async seen(): Promise<Omit<ProducedOrder, 'k'>[]> {
    const { knex } = this.database
    const rows: { partition: number; log_offset: string; v: string }[] = await knex('seen').orderBy([
      'partition',
      'log_offset',
    ])
    return rows.map((row) => ({
      partition: row.partition,
      offset: Number(row.log_offset),
      v: Number(row.v),
    }))
  }

  async totals(): Promise<{ k: string; n: number; total: number }[]> {
    const rows: { k: string; n: string; total: string }[] = await this.database.knex('totals').orderBy('k')
    return rows.map(({ k, n, total }) => ({ k, n: Number(n), total: Number(total) }))
  }

  /**
   * What must be in the default tables when each of `orders` counts once.
   * @param orders default: everything that was produced
   */
  expected(orders: readonly ProducedOrder[] = this.produced) {
    const totals = new Map<string, { k: string; n: number; total: number }>()
    for (const { k, v } of orders) {
      const total = totals.get(k) ?? { k, n: 0, total: 0 }
      totals.set(k, { k, n: total.n + 1, total: total.total + v })
    }
    return {
      totals: [...totals.values()].sort((a, b) => (a.k < b.k ? -1 : 1)),
      seen: orders
        .map(({ partition, offset, v }) => ({ partition, offset, v }))
        .sort((a, b) => a.partition - b.partition || a.offset - b.offset),
      broken: [],
    }
  }

  /** The default tables, and what is wrong with the ledger. Compare it with {@link expected}. */
  async actual() {
    return { totals: await this.totals(), seen: await this.seen(), broken: await this.brokenLinks() }
  }

  /** Where the ledger and the positions are not one chain; empty when they are. */
  async brokenLinks(): Promise<string[]> {
    return brokenLinks(await this.ledger(), await this.#positions())
  }
}

const keys = ['a', 'b', 'c', 'd', 'e']

/** Values that go on where `first` earlier ones ended: no two sums of them are easily equal. */
function generated(count: number, first: number): Order[] {
  return Array.from({ length: count }, (_, i) => ({
    k: keys[((first + i) * 7) % keys.length] ?? 'a',
    v: (first + i) * 3 + 1,
  }))
}

export type Heard = { readonly [K in keyof JobEvents]: JobEvents[K][] }

export interface ObservedJob {
  readonly running: RunningJob
  /** Every event since the start. */
  readonly heard: Heard
  /** The error with which the job ends; fails if it ends without one. */
  failure(): Promise<OncesinkError>
}

/** Starts a job, remembers what it says, and stops it after the test at the latest. */
export async function observe(job: Job, options: StartOptions = {}): Promise<ObservedJob> {
  const events = options.events ?? new EventBus<JobEvents>()
  const heard = listen(events)
  const running = await start(job, { ...options, events })
  const ended = running.done.then(
    () => null,
    (error: unknown) => error,
  )
  onTestFinished(async () => {
    running.stop().catch(() => {})
    await ended
  })
  return {
    running,
    heard,
    failure: async () => asOncesinkError(await ended, 'the job ended without an error'),
  }
}

/** Runs a job until it has committed everything that is in its topics now. */
export async function drain(job: Job, options: StartOptions = {}): Promise<ObservedJob> {
  const observed = await observe(job, { ...options, once: true })
  await observed.running.done
  return observed
}

/** The error with which a job does not start. */
export async function startFailure(job: Job, options: StartOptions = {}): Promise<OncesinkError> {
  const outcome: unknown = await start(job, options).then(
    (running) => {
      // It must not outlive the test that has failed.
      running.stop().catch(() => {})
      return null
    },
    (error: unknown) => error,
  )
  return asOncesinkError(outcome, 'the job has started')
}

/** The system's runtime, in which `reach` is called at every fault point. */
export function withFaults(reach: (point: FaultPoint) => Promise<void> | void): Runtime {
  return { ...systemRuntime, faultPoints: { reach: async (point) => reach(point) } }
}

/** Where a fault point stops whoever comes, until it is opened. */
export class Gate {
  /** Resolves when somebody has come. */
  readonly reached: Promise<void>
  #come = () => {}
  #open = () => {}
  readonly #opened: Promise<void>

  constructor() {
    this.reached = new Promise((resolve) => {
      this.#come = resolve
    })
    this.#opened = new Promise((resolve) => {
      this.#open = resolve
    })
  }

  pass(): Promise<void> {
    this.#come()
    return this.#opened
  }

  open(): void {
    this.#open()
  }
}

/** A runtime whose time passes `factor` times faster. */
export function hurried(factor: number): Runtime {
  const { clock } = systemRuntime
  return {
    ...systemRuntime,
    clock: {
      ...clock,
      monotonicMs: () => clock.monotonicMs() * factor,
      sleep: (ms, signal) => clock.sleep(ms / factor, signal),
    },
  }
}

function asOncesinkError(outcome: unknown, otherwise: string): OncesinkError {
  if (outcome instanceof OncesinkError) return outcome
  throw new Error(outcome === null ? otherwise : `not an OncesinkError: ${String(outcome)}`, {
    cause: outcome,
  })
}

function listen(events: JobEventBus): Heard {
  const heard: Heard = {
    batch: [],
    deadLettered: [],
    claimed: [],
    lost: [],
    batchFailed: [],
    retrying: [],
    recovered: [],
    blockerEnded: [],
    outcomeSettled: [],
    offsetsMirrored: [],
    fileLoaded: [],
    fileSetAside: [],
    handoffPaused: [],
    handoffResumed: [],
    settled: [],
    warning: [],
    stateChanged: [],
  }
  for (const name of Object.keys(heard) as (keyof JobEvents)[]) hear(events, heard, name)
  return heard
}

function hear<K extends keyof JobEvents>(events: JobEventBus, heard: Heard, name: K): void {
  events.on(name, (event) => heard[name].push(event))
}
