import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { formatReport } from '../../check/report.ts'
import { verifyJob } from '../../check/verify-job.ts'
import { inSnapshot } from '../../database/in-snapshot.ts'
import { hasOwnTables } from '../../database/own-tables.ts'
import type { Job } from '../../job/job.ts'
import { systemRuntime } from '../../runtime/runtime.ts'
import type { Engine } from '../../services/index.ts'
import { createDialect, createLogToCheck } from '../../wire.ts'
import type { KafkaTools } from './kafka-tools.ts'
import { connectSql, createDatabase, dropDatabase, query, type SqlConnection } from './sql.ts'
import type { Verdict } from './verdict.ts'
import { WitnessCheck } from './witness-check.ts'
import { type JobSpec, witnessJob, witnessTables } from './witness-job.ts'
import { producedLog, recordAt, type WitnessLog } from './witness-log.ts'

export interface ArenaOptions {
  readonly engine: Engine
  /** Of any database of the server. */
  readonly serverUrl: string
  readonly kafka: KafkaTools
  /** @default 2 */
  readonly partitions?: number
  /** Of each partition. @default 1 */
  readonly replicas?: number
  /** See {@link JobSpec}. @default 0 */
  readonly padding?: number
}

const PRODUCE_RECORDS = 2_000
const POLL_MS = 50

/** A topic and a database with the tables of {@link witnessJob}, for one job, and what must be in them. */
export class Arena {
  readonly engine: Engine
  readonly topic: string
  readonly partitions: number
  /** Of the database of this arena. */
  readonly url: string
  readonly #database: string
  readonly #options: ArenaOptions
  #produced = 0
  /** Asked for positions many times a second. */
  #looking: Promise<SqlConnection> | null = null
  #producing: Promise<void> = Promise.resolve()

  private constructor(options: ArenaOptions, names: { topic: string; database: string; url: string }) {
    this.engine = options.engine
    this.partitions = options.partitions ?? 2
    this.topic = names.topic
    this.url = names.url
    this.#database = names.database
    this.#options = options
  }

  static async open(options: ArenaOptions): Promise<Arena> {
    const { engine, serverUrl, kafka, partitions = 2, replicas = 1 } = options
    const database = `chaos_${randomUUID().slice(0, 8)}`
    const url = await createDatabase(engine, serverUrl, database)
    await query(engine, url, witnessTables(engine))
    const topic = await kafka.createTopic('chaos', partitions, replicas)
    return new Arena(options, { topic, database, url })
  }

  /** Records that were produced, acknowledged. */
  get produced(): number {
    return this.#produced
  }

  spec(options: Partial<JobSpec> = {}): JobSpec {
    const { kafka, padding = 0 } = this.#options
    const { engine, url, topic } = this
    return { name: topic, engine, url, brokers: kafka.brokers, topic, padding, ...options }
  }

  job(options: Partial<JobSpec> = {}): Job {
    return witnessJob(this.spec(options))
  }

  /** Appends `count` records; acknowledged when it resolves. Calls follow one another. */
  produce(count: number): Promise<void> {
    const producing = this.#producing.then(() => this.#append(count))
    // Whoever has called is told; the next call tries afresh.
    this.#producing = producing.catch(() => {})
    return producing
  }

  async #append(count: number): Promise<void> {
    for (let left = count; left > 0; left -= PRODUCE_RECORDS) {
      const messages = Array.from({ length: Math.min(left, PRODUCE_RECORDS) }, (_, i) => {
        const { partition, key, n } = recordAt(this.#produced + i, this.partitions)
        return { partition, value: JSON.stringify({ key, n }) }
      })
      await this.#options.kafka.produce(this.topic, messages)
      this.#produced += messages.length
    }
  }

  /** Positions of the partitions, by partition; empty before the first claim. */
  async positions(): Promise<readonly number[]> {
    const schema = this.engine === 'postgres' ? 'oncesink.' : ''
    const sql = `SELECT next_offset AS at FROM ${schema}oncesink_offsets ORDER BY ${this.engine === 'postgres' ? 'partition' : '`partition`'}`
    try {
      this.#looking ??= connectSql(this.engine, this.url)
      const rows = await (await this.#looking).query(sql)
      return rows.map(({ at }) => Number(at))
    } catch {
      // No tables yet, or no server: the next look has a connection of its own.
      await this.#lookNoMore()
      return []
    }
  }

  async #lookNoMore(): Promise<void> {
    const looking = this.#looking
    this.#looking = null
    await looking?.then((connection) => connection.close()).catch(() => {})
  }

  /** Records below the positions. */
  async committed(): Promise<number> {
    return (await this.positions()).reduce((sum, at) => sum + at, 0)
  }

  /** @returns whether everything that is in the log was committed within `boundMs` */
  async drained(boundMs: number, signal?: AbortSignal): Promise<boolean> {
    const until = performance.now() + boundMs
    const lengths = await this.#options.kafka.lengths(this.topic)
    for (;;) {
      const positions = await this.positions()
      if (lengths.every((length, partition) => (positions[partition] ?? 0) >= length)) return true
      if (performance.now() > until) return false
      await sleep(POLL_MS, undefined, { signal })
    }
  }

  /** Brokers that are killed may take what the producer believes lost, or lose what it believes taken. */
  async #log(): Promise<WitnessLog> {
    if ((this.#options.replicas ?? 1) === 1) return producedLog(this.partitions, this.#produced)
    const numbers = await this.#options.kafka.read(
      this.topic,
      (value) => (JSON.parse(value) as { n: number }).n,
    )
    return {
      lengths: numbers.map(({ length }) => length),
      at: (partition, offset) => numbers[partition]?.[offset] ?? -1,
    }
  }

  /**
   * Everything that a checker can say of this arena. To be called when no job runs any more.
   * @param complete whether everything that was produced has to be committed
   */
  async verify(complete = true): Promise<Verdict> {
    await this.#lookNoMore()
    const violations: string[] = []
    const inconclusive: string[] = []
    const where = `${this.engine}, topic ${this.topic}`
    const log = await this.#log()
    const lengths = await this.#options.kafka.lengths(this.topic)
    const [known, inTopic] = [log.lengths, lengths].map((each) =>
      each.reduce((sum, length) => sum + length, 0),
    )
    if (known !== inTopic)
      inconclusive.push(`${where}: the topic holds ${inTopic} records, and ${known} are known`)
    const witness = await this.#witness(log)
    for (const finding of witness.findings) violations.push(`${where}: ${finding}`)
    if (complete && witness.expected !== known)
      violations.push(`${where}: ${witness.expected} of ${known} records were committed in the end`)
    const job = this.job()
    const report = await verifyJob({
      job,
      dialect: createDialect(job, systemRuntime),
      source: createLogToCheck(job, systemRuntime),
      runtime: systemRuntime,
      digestsExpected: true,
      onProgress: () => {},
    })
    if (report.outcome === 'violation') violations.push(`${where}: ${formatReport(report)}`)
    if (report.outcome === 'inconclusive') inconclusive.push(...report.inconclusive)
    return {
      records: witness.expected,
      batches: report.chain.batches,
      lost: Math.max(witness.lost, Number(report.lost ?? 0)),
      duplicated: Math.max(witness.duplicated, Number(report.duplicated ?? 0)),
      violations,
      inconclusive,
    }
  }

  /** What the witness table says of everything that was produced, whoever has written it. */
  async witnessed(): Promise<Verdict> {
    const log = producedLog(this.partitions, this.#produced)
    const check = new WitnessCheck(log)
    const rows = await query(
      this.engine,
      this.url,
      'SELECT log_partition AS p, log_offset AS o, n FROM witness',
    )
    for (const { p, o, n } of rows) check.add(Number(p), Number(o), Number(n))
    const { expected, lost, duplicated, findings } = check.finish(log.lengths)
    return { records: expected, batches: 0, lost, duplicated, violations: findings, inconclusive: [] }
  }

  async #witness(log: WitnessLog) {
    const dialect = createDialect(this.job(), systemRuntime)
    const connection = await dialect.connect({ job: this.topic, owner: 'verify' })
    try {
      const check = new WitnessCheck(log)
      if (!(await hasOwnTables(connection))) return check.finish([])
      return await inSnapshot(connection, async (trx) => {
        const positions = await trx.readPositions(this.topic)
        for await (const [partition, offset, n] of trx.readTable('witness', [
          'log_partition',
          'log_offset',
          'n',
        ]))
          check.add(Number(partition), Number(offset), Number(n))
        const nextOffsets: number[] = []
        for (const { partition, nextOffset } of positions) nextOffsets[partition] = Number(nextOffset)
        return check.finish(nextOffsets)
      })
    } finally {
      await connection.close()
    }
  }

  /** Drops the database. Topics are deleted with their tools. */
  async close(): Promise<void> {
    await this.#lookNoMore()
    await dropDatabase(this.engine, this.#options.serverUrl, this.#database)
  }
}
