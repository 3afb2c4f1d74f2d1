import { join } from 'node:path'
import { type BenchDatabase, keyText, openDatabase } from './database.ts'
import type { OrderLog } from './orders.ts'
import { profiling } from './program.ts'
import { JobProcess } from './rig.ts'
import type { OpenSuite, Sample, SuiteSettings } from './suite.ts'
import { type BenchTopics, openTopics } from './topics.ts'
import { type WrittenTotal, wrongTotal } from './totals.ts'

/** Where a suite runs: topics and an empty database. */
export interface Ground {
  readonly settings: SuiteSettings
  readonly topics: BenchTopics
  readonly database: BenchDatabase
}

/** Opens both, and closes what is open when `prepare` fails. */
export async function onGround(
  settings: SuiteSettings,
  prepare: (ground: Ground) => Promise<Omit<OpenSuite, 'close'>>,
): Promise<OpenSuite> {
  const topics = await openTopics()
  const database = await openDatabase(settings.engine).catch(async (error: unknown) => {
    await topics.close()
    throw error
  })
  const close = async () => {
    await topics.close()
    await database.close()
  }
  try {
    return { ...(await prepare({ settings, topics, database })), close }
  } catch (error) {
    await close()
    throw error
  }
}

export interface OrderJob {
  readonly topic: string
  /** What goes into the names of profiles and errors. */
  readonly name: string
  /** BENCH_* variables of bench/orders-job.ts besides the servers'. */
  readonly env?: Readonly<Record<string, string>>
}

export interface OrderRun {
  readonly job: JobProcess
  readonly table: string
  /** From when the job began to read to its last commit: connecting and claiming are not part of the workload. */
  readonly seconds: number
}

/** Runs of bench/orders-job.ts, each with tables of its own. */
export class OrderRuns {
  readonly #ground: Ground
  /** Runs so far, for names that were never used. */
  #runs = 0

  constructor(ground: Ground) {
    this.#ground = ground
  }

  /** Makes the table of the next run. @returns the number of the run, which no job and no group has had */
  async next(sink: 'merge' | 'append' = 'merge'): Promise<number> {
    const { database } = this.#ground
    const postgres = database.engine === 'postgres'
    const text = keyText[database.engine]
    this.#runs += 1
    const columns =
      sink === 'merge'
        ? `item ${text} PRIMARY KEY, orders bigint NOT NULL, revenue decimal(20, 2) NOT NULL`
        : `item ${text} NOT NULL, ${postgres ? '"user"' : '`user`'} ${text} NOT NULL, amount decimal(20, 2) NOT NULL,
           at ${postgres ? 'timestamptz' : 'datetime(3)'} NOT NULL, part int NOT NULL, log_offset bigint NOT NULL`
    await database.run(`CREATE TABLE orders_${this.#runs} (${columns})`)
    return this.#runs
  }

  /** Starts the job of that run; it goes on until it is stopped, unless `args` say otherwise. */
  start(run: number, { topic, name, env = {} }: OrderJob, args: readonly string[] = []): JobProcess {
    const { settings, topics, database } = this.#ground
    return new JobProcess(
      join(import.meta.dirname, '../dist/cli/bin.js'),
      join(import.meta.dirname, 'orders-job.ts'),
      args,
      {
        BENCH_BROKERS: topics.brokers.join(','),
        BENCH_TOPIC: topic,
        BENCH_RUN: String(run),
        BENCH_ENGINE: settings.engine,
        BENCH_DATABASE_URL: database.url,
        ...env,
      },
      profiling(settings.profileDir, `${name.replaceAll(' ', '-')}-${run}`),
    )
  }

  /** Works the topic off, from its beginning to its end. */
  async drain(order: OrderJob): Promise<OrderRun> {
    const run = await this.next(order.env?.BENCH_SINK === 'append' ? 'append' : 'merge')
    const job = this.start(run, order, ['--once'])
    await job.ended
    const last = job.batches.at(-1)
    if (!last) throw new Error(`${order.name} has committed nothing`)
    return { job, table: `orders_${run}`, seconds: (last.atMs - job.runningAtMs) / 1_000 }
  }

  /** The same for totals, which are then checked. @returns records per second */
  async totals(
    order: OrderJob,
    log: Pick<OrderLog, 'totals' | 'records'>,
  ): Promise<Sample & { readonly run: OrderRun }> {
    const run = await this.drain(order)
    await this.check(run.table, log, order.name)
    const { job } = run
    return { run, value: log.records / run.seconds, peakRssMib: job.peakRssMib, cpuSeconds: job.cpuSeconds }
  }

  /** @throws Error when the table is not exactly what the log says, item by item */
  async check(table: string, { totals }: Pick<OrderLog, 'totals'>, name: string): Promise<void> {
    const { database } = this.#ground
    const written = await database.rows<WrittenTotal>(`SELECT item, orders, revenue FROM ${table}`)
    const wrong = wrongTotal(totals, written)
    if (wrong !== null) throw new Error(`${name} has written ${wrong}`)
  }
}
