import { join } from 'node:path'
import type { Message } from 'kafkajs'
import { expect } from 'vitest'
import { checkChain } from '../../src/check/chain.ts'
import type { LedgerRow, PositionRow } from '../../src/database/dialect.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { createDialect } from '../../src/wire.ts'
import { createDatabaseOn, postgresEngine, type TestDatabase, type TestEngine } from './engines.ts'
import { eventually } from './eventually.ts'
import { type Ended, JobProcess, type JobProcessOptions, oncesink } from './job-process.ts'
import { createTopic, kafkaClient, kafkaService, produce } from './kafka-service.ts'

const jobFile = join(import.meta.dirname, 'witness-job.ts')
const KEYS = 7

export interface WorldOptions {
  /** Default: PostgreSQL. */
  readonly engine?: TestEngine
  /** Default 3. */
  readonly partitions?: number
  /** Different keys; default 7. */
  readonly keys?: number
  /** Records of one micro-batch at most. */
  readonly maxRecords?: number
  readonly maxBufferedBytes?: number
  /** Worker threads; default none. */
  readonly workers?: number
  /** Each partition commits by itself, over so many connections; default: collectThenCommit. */
  readonly connections?: number
  /** Default: `group`. */
  readonly assignment?: 'all'
  readonly shutdownTimeoutMs?: number
  /** Directory of its files: then it hands them over to a loader, here or (`external`) in another process. */
  readonly files?: string
  readonly loader?: 'external'
  /** Characters that every witness row carries besides: to make COPY work. */
  readonly padding?: number
}

interface Entry {
  readonly key: string
  readonly value: number
}

/** What the database holds at one moment. */
export interface Snapshot {
  readonly positions: readonly PositionRow[]
  readonly ledger: readonly LedgerRow[]
  /** `partition/offset value`, sorted. */
  readonly witness: readonly string[]
  readonly totals: readonly Readonly<Record<string, unknown>>[]
}

/** A topic, a database of its own with the tables of witness-job.ts, and what must be in them. */
export async function createWorld(options: WorldOptions = {}): Promise<World> {
  const { partitions = 3, engine = postgresEngine } = options
  const [topic, database] = await Promise.all([
    createTopic('witnessed', { partitions }),
    createDatabaseOn(engine, 'process'),
  ])
  const { text, longText } = engine.types
  await database.run(
    `CREATE TABLE witness ("partition" integer NOT NULL, "offset" bigint NOT NULL, value bigint NOT NULL,
       padding ${longText} NOT NULL);
     CREATE TABLE totals ("key" ${text} PRIMARY KEY, records bigint NOT NULL, total bigint NOT NULL)`,
  )
  return new World(topic, database, partitions, options)
}

export class World {
  readonly topic: string
  readonly database: TestDatabase
  /** The job file. */
  readonly job = jobFile
  /** What the job file reads. */
  readonly env: NodeJS.ProcessEnv
  /** What each partition holds, in offset order. */
  readonly #log: Entry[][]
  readonly #keys: number
  #produced = 0

  constructor(topic: string, database: TestDatabase, partitions: number, options: WorldOptions) {
    this.topic = topic
    this.database = database
    this.#log = Array.from({ length: partitions }, () => [])
    this.#keys = options.keys ?? KEYS
    this.env = environment({
      JOB_ENGINE: database.engine.name,
      DATABASE_URL: database.url,
      ONCESINK_KAFKA_BROKERS: kafkaService().brokers.join(','),
      JOB_TOPIC: topic,
      JOB_ASSIGNMENT: options.assignment,
      JOB_MAX_RECORDS: options.maxRecords,
      JOB_MAX_BUFFERED_BYTES: options.maxBufferedBytes,
      JOB_WORKERS: options.workers,
      JOB_CONNECTIONS: options.connections,
      JOB_SHUTDOWN_TIMEOUT_MS: options.shutdownTimeoutMs,
      JOB_PADDING: options.padding,
      JOB_FILES: options.files,
      JOB_LOADER: options.loader,
    })
  }

  /** Appends `count` records, spread over the partitions, acknowledged before it resolves. */
  async produce(count: number): Promise<void> {
    const messages = Array.from({ length: count }, (): Message => {
      const n = this.#produced++
      const entry = { key: `key ${n % this.#keys}`, value: n }
      const partition = n % this.#log.length
      this.#log[partition]?.push(entry)
      return { partition, value: JSON.stringify(entry) }
    })
    await produce(this.topic, messages)
  }

  /** Appends everything that was ever produced once more: to a topic that has been created again. */
  async produceAgain(): Promise<void> {
    const messages = this.#log.flatMap((entries, partition) =>
      entries.map((entry): Message => ({ partition, value: JSON.stringify(entry) })),
    )
    await produce(this.topic, messages)
  }

  /** Removes what the partition holds below `offset`, as retention would. */
  async deleteRecords(partition: number, offset: number): Promise<void> {
    const admin = kafkaClient().admin()
    await admin.connect()
    try {
      // It loads the metadata that the deletion needs.
      await admin.fetchTopicOffsets(this.topic)
      await admin.deleteTopicRecords({
        topic: this.topic,
        partitions: [{ partition, offset: String(offset) }],
      })
    } finally {
      await admin.disconnect()
    }
  }

  /** Lets every batch take this much longer in the database, in milliseconds. */
  async slowDown(ms: number): Promise<void> {
    await this.database.run(
      this.database.engine.name === 'postgres'
        ? `CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM pg_sleep(${ms / 1_000}); RETURN NULL; END $$;
           DROP TRIGGER IF EXISTS slow ON totals;
           CREATE TRIGGER slow AFTER INSERT ON totals FOR EACH STATEMENT EXECUTE FUNCTION slow()`
        : // There are triggers for rows only, and one row of each key in a batch.
          `DROP TRIGGER IF EXISTS slow;
           CREATE TRIGGER slow BEFORE INSERT ON totals FOR EACH ROW DO SLEEP(${ms / 1_000 / KEYS})`,
    )
  }

  /** `oncesink run` of the world's job. */
  run(options: Partial<Omit<JobProcessOptions, 'job'>> = {}): JobProcess {
    return new JobProcess({ job: jobFile, ...options, env: { ...this.env, ...options.env } })
  }

  /** `oncesink run` as the member `name` of the job's group. */
  runMember(name: string, options: { env?: NodeJS.ProcessEnv } = {}): JobProcess {
    return this.run({ env: { JOB_MEMBER: name, ...options.env } })
  }

  /** Any command on the world's job, to its end. */
  command(name: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
    return oncesink([name, jobFile, ...args], { ...this.env, ...env })
  }

  /** `oncesink run --once`, which must end with 0. */
  async drain(): Promise<void> {
    const { code, stderr } = await this.command('run', ['--once'])
    expect(code, stderr).toBe(0)
  }

  /** Resolves when everything that was produced has been committed. */
  async drained(timeoutMs?: number): Promise<void> {
    await eventually(async () => {
      const { positions } = await this.snapshot()
      return (
        positions.length > 0 &&
        positions.every(({ partition, nextOffset }) => Number(nextOffset) === this.#log[partition]?.length)
      )
    }, timeoutMs)
  }

  /** Everything of one moment. */
  async snapshot(): Promise<Snapshot> {
    const database = this.database.engine.database(this.database.url)
    const connection = await createDialect({ database }, systemRuntime).connect({
      job: 'test',
      owner: 'test',
    })
    try {
      if ((await connection.schemaVersion()) === 0)
        return { positions: [], ledger: [], witness: [], totals: [] }
      const trx = await connection.begin('snapshot')
      const positions = await trx.readPositions('witnessed')
      const ledger = await trx.readLedger('witnessed')
      const witness: string[] = []
      for await (const [partition, offset, value] of trx.readTable('witness', [
        'partition',
        'offset',
        'value',
      ]))
        witness.push(`${partition}/${offset} ${value}`)
      const totals: Record<string, unknown>[] = []
      for await (const [key, records, total] of trx.readTable('totals', ['key', 'records', 'total']))
        totals.push({ key, records: Number(records), total: Number(total) })
      await trx.rollback()
      return { positions, ledger, witness: witness.sort(), totals: sortedByKey(totals) }
    } finally {
      await connection.close()
    }
  }

  /**
   * The promise, at any moment: the tables hold each record below the stored positions exactly once and nothing else,
   * and the ledger leads from the start to the positions without a hole.
   */
  async expectExact(): Promise<Snapshot> {
    const snapshot = await this.snapshot()
    const below = snapshot.positions.flatMap(({ partition, nextOffset }) =>
      (this.#log[partition] ?? [])
        .slice(0, Number(nextOffset))
        .map((entry, offset) => ({ ...entry, coordinates: `${partition}/${offset}` })),
    )
    expect(snapshot.witness).toEqual(below.map(({ coordinates, value }) => `${coordinates} ${value}`).sort())
    const totals = new Map<string, { key: string; records: number; total: number }>()
    for (const { key, value } of below) {
      const { records, total } = totals.get(key) ?? { records: 0, total: 0 }
      totals.set(key, { key, records: records + 1, total: total + value })
    }
    expect(snapshot.totals).toEqual(sortedByKey([...totals.values()]))
    const chain = checkChain(snapshot.ledger, snapshot.positions)
    expect(chain.violations.first).toEqual([])
    expect(chain.records).toBe(below.length)
    return snapshot
  }

  /** {@link expectExact}, with everything that was produced committed, and `oncesink verify` of the same opinion. */
  async expectComplete(): Promise<Snapshot> {
    const snapshot = await this.expectExact()
    expect(snapshot.witness).toHaveLength(this.#produced)
    const verified = await this.command('verify')
    expect(verified.code, verified.stdout + verified.stderr).toBe(0)
    // Whatever thread or process has read the records.
    expect(verified.stdout).toMatch(/ (\d+) batches counted, \1 with a digest, all as in the log\n/)
    return snapshot
  }
}

function environment(values: Readonly<Record<string, string | number | undefined>>): NodeJS.ProcessEnv {
  const given = Object.entries(values).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given.map(([name, value]) => [name, String(value)]))
}

function sortedByKey<T extends { readonly key?: unknown }>(rows: readonly T[]): T[] {
  return [...rows].sort((a, b) => (String(a.key) < String(b.key) ? -1 : 1))
}
