import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { OwnFault } from '../../chaos/life/own-fault.ts'
import { checkChain } from '../../check/chain.ts'
import { formatReport } from '../../check/report.ts'
import { verifyJob } from '../../check/verify-job.ts'
import type { PositionRow, Transaction } from '../../database/dialect.ts'
import { asError } from '../../errors.ts'
import { systemRuntime } from '../../runtime/runtime.ts'
import type { Engine } from '../../services/index.ts'
import { collectThenCommit } from '../../strategy/collect-then-commit.ts'
import { createDialect, createLogToCheck } from '../../wire.ts'
import { createContractDatabase } from './contract-database.ts'
import { type ContractJobSettings, contractJob, JOB } from './contract-job.ts'
import { ContractLog, type Poison } from './contract-log.ts'
import { ContractProcess, type OnCommit } from './contract-process.ts'
import type { ContractTopics } from './contract-topics.ts'
import { differences, expectedTables, type TableContents } from './expected-tables.ts'
import { until } from './until.ts'

/** A failure tells of the last so many processes. */
const EXPLAINED = 3

/** Where the worlds of all scenarios are. */
export interface Ground {
  readonly engine: Engine
  readonly databaseUrl: string
  readonly brokers: readonly string[]
  readonly topics: ContractTopics
  readonly sessionTimeoutMs: number
  readonly seed: number
}

export interface LifeOptions {
  /** URL of the strategy's module. */
  readonly strategy: string
  /** A member of the job's group; default: the process owns all partitions. */
  readonly member?: string
  readonly once?: boolean
  readonly fault?: OwnFault
  /** Default `deadLetter`. */
  readonly poison?: ContractJobSettings['poison']
  /** Default: that of the world. */
  readonly databaseUrl?: string
  /** Called before each COMMIT of a claim or a batch, which waits until it returns. */
  readonly onCommit?: OnCommit
}

/** The stored state of a job contradicts its log. */
export class ContractViolation extends Error {
  readonly problems: readonly string[]

  constructor(when: string, problems: readonly string[]) {
    super(`${when}:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`)
    this.name = 'ContractViolation'
    this.problems = problems
  }
}

/** What the database holds at one moment. */
interface Snapshot {
  readonly positions: readonly number[]
  readonly tables: TableContents
  /** What is wrong with the ledger. */
  readonly chain: readonly string[]
}

/**
 * A topic, a database, a directory and processes of one scenario, with what must be in the tables. Everything goes with
 * {@link close}.
 */
export class ContractWorld {
  readonly databaseUrl: string
  readonly #ground: Ground
  readonly #topic: string
  readonly #directory: string
  readonly #dropDatabase: () => Promise<void>
  readonly #log: ContractLog
  readonly #processes: ContractProcess[] = []

  private constructor(
    ground: Ground,
    topic: string,
    directory: string,
    database: { url: string; drop(): Promise<void> },
  ) {
    this.#ground = ground
    this.#topic = topic
    this.#directory = directory
    this.databaseUrl = database.url
    this.#dropDatabase = () => database.drop()
    this.#log = new ContractLog(ground.seed)
  }

  static async open(ground: Ground): Promise<ContractWorld> {
    const [topic, directory, database] = await Promise.all([
      ground.topics.create(),
      mkdtemp(join(tmpdir(), 'oncesink-contract-')),
      createContractDatabase(ground.engine, ground.databaseUrl),
    ])
    return new ContractWorld(ground, topic, directory, database)
  }

  async close(): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.kill()))
    await Promise.all([rm(this.#directory, { recursive: true, force: true }), this.#dropDatabase()])
  }

  /** Adds to the message of `error` what can be said of the world: its seed, and what the last processes have told. */
  explain(error: Error): Error {
    const processes = this.#processes.slice(-EXPLAINED).map((process) => process.explain())
    error.message = [error.message, `seed ${this.seed}`, ...processes].join('\n')
    return error
  }

  get engine(): Engine {
    return this.#ground.engine
  }

  get seed(): number {
    return this.#ground.seed
  }

  /** Appends records, with these kinds of poison among them (default: all). */
  async produce(records: number, kinds?: readonly Poison[]): Promise<void> {
    await this.#ground.topics.produce(this.#topic, this.#log.append(records, kinds))
  }

  /** Starts a process of the job. */
  run(options: LifeOptions): ContractProcess {
    const { strategy, once = false, fault = null } = options
    const name = `process ${this.#processes.length + 1}${options.member === undefined ? '' : ` (member ${options.member})`}`
    const asksBeforeCommit = options.onCommit !== undefined
    const process = new ContractProcess(
      name,
      { job: this.#settings(options), strategy, directory: this.#directory, once, fault, asksBeforeCommit },
      options.onCommit,
    )
    this.#processes.push(process)
    return process
  }

  #settings({ databaseUrl = this.databaseUrl, member, poison }: Partial<LifeOptions>): ContractJobSettings {
    const { engine, brokers, sessionTimeoutMs } = this.#ground
    return {
      engine,
      databaseUrl,
      brokers,
      topic: this.#topic,
      member: member ?? null,
      sessionTimeoutMs,
      poison: poison ?? 'deadLetter',
    }
  }

  /** Runs a process until everything is committed that was produced; it must end with exit code 0. */
  async drain(strategy: string): Promise<ContractProcess> {
    const process = this.run({ strategy, once: true })
    await process.endsWith(0)
    return process
  }

  /**
   * Resolves when everything that was produced is committed.
   * @param workers those that are to do it
   * @throws Error when one of them ends before, with what it said
   */
  async drained(...workers: readonly ContractProcess[]): Promise<void> {
    const ends = this.#log.ends()
    let next: readonly number[] = []
    try {
      await until('everything that was produced to be committed', async () => {
        const positions = await this.#inSnapshot((trx) => trx.readPositions(JOB))
        next = nextOffsets(positions ?? [])
        const done = ends.every((end, partition) => (next[partition] ?? 0) >= end)
        if (!done && workers.some(({ end }) => end)) throw new Error('a process that was to work has ended')
        return done
      })
    } catch (error) {
      const where = `partitions end at ${ends.join(', ')}, positions are ${next.join(', ')}`
      throw new Error(`${asError(error).message}; ${where}`)
    }
  }

  /**
   * The promise, at any moment: the tables hold each record below the stored positions exactly once and nothing else, and
   * the ledger leads from the start to the positions without a hole.
   * @param when begins the message of the violation
   * @throws ContractViolation
   */
  async check(when: string): Promise<Snapshot> {
    const snapshot = await this.#snapshot()
    const expected = expectedTables(this.#log.below(snapshot.positions))
    const problems = [...snapshot.chain, ...differences(snapshot.tables, expected)]
    if (problems.length > 0) throw new ContractViolation(when, problems)
    return snapshot
  }

  /** {@link check}, with everything committed that was produced, and `oncesink verify` of the same opinion. */
  async checkComplete(when: string): Promise<void> {
    const { positions } = await this.check(when)
    const ends = this.#log.ends()
    if (ends.some((end, partition) => positions[partition] !== end)) {
      throw new ContractViolation(when, [
        `partitions end at ${ends.join(', ')}, positions are ${positions.join(', ')}`,
      ])
    }
    const job = contractJob(this.#settings({}), collectThenCommit())
    const report = await verifyJob({
      job,
      dialect: createDialect(job, systemRuntime),
      source: createLogToCheck(job, systemRuntime),
      runtime: systemRuntime,
      digestsExpected: true,
      onProgress: () => {},
    })
    if (report.outcome === 'violation') throw new ContractViolation(when, [formatReport(report)])
  }

  async #snapshot(): Promise<Snapshot> {
    const empty = { positions: [], chain: [], tables: expectedTables([]) }
    const snapshot = await this.#inSnapshot(async (trx) => {
      const positions = await trx.readPositions(JOB)
      const ledger = await trx.readLedger(JOB)
      const { violations } = checkChain(ledger, positions)
      const letters = await trx.listDeadLetters(JOB, { limit: 1_000_000 })
      const row = async (table: string, columns: string[], text: (values: string[]) => string) => {
        const rows: string[] = []
        for await (const values of trx.readTable(table, columns)) rows.push(text(values.map(String)))
        return rows.sort()
      }
      const sums = [0, 0, 0]
      for await (const values of trx.readTable('sums', ['records', 'total', 'told'])) {
        for (const [i, value] of values.entries()) sums[i] = (sums[i] ?? 0) + Number(value)
      }
      return {
        positions: nextOffsets(positions),
        chain: violations.first.map(({ message }) => `ledger: ${message}`),
        tables: {
          witness: await row('witness', ['part', 'pos', 'v'], ([part, pos, v]) => `${part}/${pos} ${v}`),
          totals: await row('totals', ['k', 'records', 'total'], (values) => values.join(' ')),
          latest: await row('latest', ['k', 'v'], (values) => values.join(' ')),
          noted: await row('noted', ['part', 'pos'], (values) => values.join('/')),
          sums: [sums.join(' ')],
          deadLetters: letters.map(({ partition, offset, code }) => `${partition}/${offset} ${code}`).sort(),
        },
      }
    })
    return snapshot ?? empty
  }

  /** Reads everything of one moment, in a session of its own; null before the job has made its tables. */
  async #inSnapshot<T>(read: (trx: Transaction) => Promise<T>): Promise<T | null> {
    const job = contractJob(this.#settings({}), collectThenCommit())
    const dialect = createDialect(job, systemRuntime)
    const connection = await dialect.connect({ job: 'observer', owner: 'contract' })
    try {
      if ((await connection.schemaVersion()) === 0) return null
      const trx = await connection.begin('snapshot')
      try {
        return await read(trx)
      } finally {
        await trx.rollback()
      }
    } finally {
      await connection.close()
    }
  }
}

function nextOffsets(positions: readonly PositionRow[]): number[] {
  const next: number[] = []
  for (const { partition, nextOffset } of positions) next[partition] = Number(nextOffset)
  return next
}
