import type { Connection, LedgerRow, PositionRow, Transaction } from '../../src/database/dialect.ts'
import { OncesinkError } from '../../src/errors.ts'
import { SimulatedDatabase, type SimulatedEngine } from '../simulation/database.ts'
import { Dice } from '../simulation/dice.ts'
import { FaultInjector } from '../simulation/faults.ts'
import { Host } from '../simulation/host.ts'
import { World } from '../simulation/world.ts'

/*
 * Random schedules of the named operations of the dialect port over several connections. The simulated database makes one
 * up while it runs it, and says after each step what has come back and what waits for a lock; a real server must say the
 * same.
 */

export const CONNECTIONS = 3
const PARTITIONS = 2
const STEPS = 36
export const TOPIC = 't'

/** One operation on one connection. Everything in it is fixed. */
export interface Step {
  readonly connection: number
  readonly name: string
  readonly waits: Waits
  readonly run: (at: OpenConnection) => Promise<unknown>
}

/**
 * For what a step may wait: for nobody; for one lock; or for several, one after another, or for one where those who wait
 * together are not served in turn. Of the last kind at most one waits at a time, and nothing else with it: who of several
 * that a COMMIT wakes up comes first to the next lock is for the server to say.
 */
type Waits = 'never' | 'once' | 'alone'

export interface OpenConnection {
  connection: Connection
  trx: Transaction | null
}

/** What steps have come back with, by number; what is not among them waits. */
export type Answers = ReadonlyMap<number, string>

export interface PlayedStep {
  readonly step: Step
  /** What has come back after this step, of this and of earlier ones. */
  readonly answers: Answers
}

export interface PlayedSchedule {
  readonly job: string
  readonly steps: readonly PlayedStep[]
  readonly tables: string
}

/** The row of a job and its starting positions, written by one transaction. */
export async function setUp(connection: Connection, job: string): Promise<void> {
  const trx = await connection.begin('claim')
  await trx.lockJob(job)
  await trx.insertJob({ job, shape: '{}', codeVersion: '', sinkTables: [job], clusterId: 'c' })
  await trx.lockTopics(job)
  await trx.upsertTopic(job, { topic: TOPIC, topicId: 'topic-id', knownPartitions: PARTITIONS })
  const starts = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic: TOPIC, partition }))
  await trx.insertStarts(
    job,
    starts.map((tp) => ({ ...tp, nextOffset: 0n, reason: 'earliest' as const })),
  )
  const { kind } = await trx.commit()
  if (kind !== 'committed') throw new Error(`the set-up was ${kind}`)
}

/** What the operation has come to, as text that is the same for every database. */
export function answerOf(work: Promise<unknown>): Promise<string> {
  return work.then(plain, (error: unknown) =>
    error instanceof OncesinkError ? `error ${error.code}` : `error ${String(error)}`,
  )
}

/** Everything that a schedule can have changed. */
export async function tablesOf(connection: Connection, job: string): Promise<string> {
  const trx = await connection.begin('snapshot')
  try {
    const positions = await trx.readPositions(job)
    const ledger = (await trx.readLedger(job)).map(linkOf).sort()
    const rows: string[] = []
    for await (const row of trx.readTable('totals', ['item', 'orders', 'offsets']))
      if (row[0]?.startsWith(job)) rows.push(row.join())
    return `${plain(positions)}\n${ledger.join('\n')}\n${rows.sort().join('\n')}`
  } finally {
    await trx.rollback()
  }
}

/** Makes a schedule up, and plays it on a simulated database. */
export async function playSimulated(
  seed: number,
  job: string,
  engine: SimulatedEngine,
): Promise<PlayedSchedule> {
  const world = new World()
  const database = new SimulatedDatabase(world, new FaultInjector([]), engine)
  const host = new Host(world, 'schedule', seed, 1)
  const dialect = database.dialectFor(host)
  const until = async <T>(work: Promise<T>): Promise<T> => {
    let isDone = false
    const marked = work.finally(() => {
      isDone = true
    })
    await world.run(() => isDone, world.now + 60_000)
    return marked
  }
  const open: OpenConnection[] = []
  for (let i = 0; i < CONNECTIONS; i += 1)
    open.push({ connection: await until(dialect.connect({ job, owner: `c${i}` })), trx: null })
  const [first] = open
  if (!first) throw new Error('no connection')
  await until(setUp(first.connection, job))

  const maker = new ScheduleMaker(new Dice(seed, 7), job)
  const pending = new Map<number, number>()
  const waiting = () => [...pending.keys()].map((number) => steps[number]?.step.waits ?? 'never')
  const steps: PlayedStep[] = []
  for (let number = 0; number < STEPS; number += 1) {
    const idle = open.map((_, i) => i).filter((i) => ![...pending.values()].includes(i))
    const on = idle[maker.dice.below(idle.length)]
    const at = on === undefined ? undefined : open[on]
    if (on === undefined || !at) break
    const step = maker.next(on, at, [...database.state.positions.values()], waiting())
    const answers = new Map<number, string>()
    pending.set(number, on)
    const settle = (of: number) => (answer: string) => {
      pending.delete(of)
      maker.listeners.get(of)?.(answer)
    }
    maker.listeners.set(number, (answer) => void maker.heard.set(number, answer))
    void answerOf(step.run(at)).then(settle(number))
    // Longer than it takes a server to notice that a client is gone, shorter than locks are waited for.
    await world.run(() => false, world.now + 600)
    for (const [of, answer] of maker.heard) answers.set(of, answer)
    maker.heard.clear()
    steps.push({ step, answers })
  }
  // Whatever is left is rolled back, which lets go of what others wait for.
  for (const { connection } of open) connection.destroy()
  await world.run(() => pending.size === 0, world.now + 2_000)
  const reader = await until(dialect.connect({ job, owner: 'reader' }))
  return { job, steps, tables: await until(tablesOf(reader, job)) }
}

/** Chooses the next step. Locks are asked for in one order only (job, positions, rows), so that nothing deadlocks. */
class ScheduleMaker {
  readonly dice: Dice
  readonly listeners = new Map<number, (answer: string) => void>()
  readonly heard = new Map<number, string>()
  readonly #job: string
  readonly #done = new Map<number, { kind: 'claim' | 'batch'; stage: number }>()
  readonly #claimIds: string[] = ['00000000-0000-4000-8000-000000000000']

  constructor(dice: Dice, job: string) {
    this.dice = dice
    this.#job = job
  }

  /** @param waiting what others wait for now */
  next(on: number, at: OpenConnection, positions: readonly PositionRow[], waiting: readonly Waits[]): Step {
    const { dice } = this
    const step = (name: string, run: Step['run']): Step => ({ connection: on, name, waits: 'never', run })
    const state = this.#done.get(on)
    if (!state || at.trx === null) {
      const kind = dice.chance(0.45) ? 'claim' : 'batch'
      this.#done.set(on, { kind, stage: 0 })
      return step(`begin ${kind}`, async (it) => {
        it.trx = await it.connection.begin(kind)
      })
    }
    if (state.stage >= 3 || dice.chance(0.15)) return this.#end(on)
    state.stage += 1
    const made =
      state.kind === 'claim'
        ? this.#claimStep(on, state.stage, positions)
        : this.#batchStep(on, state.stage, positions)
    const mayWait = made.waits === 'never' || waiting.length === 0
    const mayJoin = made.waits === 'once' && !waiting.includes('alone')
    return mayWait || mayJoin ? made : this.#end(on)
  }

  #end(on: number): Step {
    this.#done.delete(on)
    const ending = this.dice.below(10)
    const name = ending < 7 ? 'commit' : 'rollback'
    return {
      connection: on,
      name,
      waits: 'never',
      run: async (it) => {
        const { trx } = it
        it.trx = null
        if (name === 'rollback') return trx?.rollback()
        return (await trx?.commit())?.kind
      },
    }
  }

  #claimStep(on: number, stage: number, positions: readonly PositionRow[]): Step {
    const job = this.#job
    const chosen = this.#some(positions).map(({ topic, partition }) => ({ topic, partition }))
    if (stage === 1) return this.#of(on, 'once', 'lockJob', async (trx) => (await trx.lockJob(job))?.job)
    if (stage === 2) return this.#of(on, 'alone', 'lockPositions', (trx) => trx.lockPositions(job, positions))
    const claimId = this.dice.uuid()
    this.#claimIds.push(claimId)
    const claims = chosen.map((tp) => ({ ...tp, claimId, owner: `owner ${on}` }))
    return this.#of(on, 'never', `claimPositions ${claims.length}`, (trx) => trx.claimPositions(job, claims))
  }

  #batchStep(on: number, stage: number, positions: readonly PositionRow[]): Step {
    const { dice } = this
    const job = this.#job
    if (stage === 1) {
      const advances = this.#some(positions).map((row) => {
        const from = row.nextOffset + (dice.chance(0.25) ? BigInt(dice.below(3)) : 0n)
        const range = {
          topic: row.topic,
          partition: row.partition,
          from,
          until: from + 1n + BigInt(dice.below(4)),
        }
        const epoch = row.epoch + (dice.chance(0.1) ? 1n : 0n)
        const other = this.#claimIds[dice.below(this.#claimIds.length)] ?? ''
        const claimId = dice.chance(0.8) && row.claimId !== null ? row.claimId : other
        return { range, epoch, claimId, leaderEpoch: dice.below(5) }
      })
      return this.#of(
        on,
        advances.length === 1 ? 'once' : 'alone',
        `advanceRanges ${plain(advances)}`,
        (trx) => trx.advanceRanges(job, advances),
      )
    }
    if (stage === 2) {
      const items = ['a', 'b', 'c'].filter(() => dice.chance(0.5))
      const rows = (items.length > 0 ? items : ['a']).map((item) => [
        `${job}-${item}`,
        BigInt(1 + dice.below(5)),
        BigInt(dice.below(100)),
      ])
      const aggregates = ['orders', 'offsets'].map((column) => ({ column, rule: 'add' as const }))
      const write = { table: 'totals', keys: ['item'], aggregates, rows }
      return this.#of(on, 'alone', `mergeRows ${items.join()}`, (trx) => trx.mergeRows(write))
    }
    // Few places, so that some are taken already: the unique index then refuses the row.
    const from = BigInt(dice.below(3))
    const range = { topic: TOPIC, partition: dice.below(PARTITIONS), from, until: from + 2n }
    const counts = { records: 2, deadLetters: 0, digest: null, incarnation: 0, epoch: 1n }
    const [claimId, batchId] = [dice.uuid(), dice.uuid()]
    const row = { range, kind: 'batch' as const, claimId, batchId, ...counts }
    return this.#of(on, 'alone', `writeLedger ${range.partition}@${from}`, (trx) =>
      trx.writeLedger(job, [row]),
    )
  }

  #of(connection: number, waits: Waits, name: string, run: (trx: Transaction) => Promise<unknown>): Step {
    return {
      connection,
      name,
      waits,
      run: (it) => (it.trx ? run(it.trx) : Promise.reject(new Error('no transaction is open'))),
    }
  }

  #some<T>(of: readonly T[]): T[] {
    const some = of.filter(() => this.dice.chance(0.6))
    return some.length > 0 ? some : of.slice(0, 1)
  }
}

function linkOf({ committedAt: _, ...row }: LedgerRow): string {
  return plain(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function plain(value: unknown): string {
  return JSON.stringify(value, (key, inner: unknown) => {
    if (key === 'updatedAt') return undefined
    return typeof inner === 'bigint' ? String(inner) : inner
  })
}
