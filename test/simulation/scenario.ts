import { count } from '../../src/aggregation/count.ts'
import { sum } from '../../src/aggregation/sum.ts'
import { Claimer } from '../../src/database/protocol/claim.ts'
import { JobSession } from '../../src/database/protocol/session.ts'
import { string } from '../../src/decode/string.ts'
import { drive } from '../../src/driver/driver.ts'
import { Ownership } from '../../src/driver/ownership.ts'
import { OncesinkError } from '../../src/errors.ts'
import { createInlineExecutor } from '../../src/executor/inline.ts'
import { compilePartitionTask } from '../../src/executor/partition-task.ts'
import { defineJob } from '../../src/job/define-job.ts'
import type { DatabasePlan, Job } from '../../src/job/job.ts'
import { deadLetter } from '../../src/job/poison.ts'
import { shapeOf } from '../../src/job/shape.ts'
import { from } from '../../src/pipeline/from.ts'
import { createRate } from '../../src/rate/create-rate.ts'
import { merge } from '../../src/sink/merge.ts'
import type { Membership } from '../../src/source/membership.ts'
import type { Source } from '../../src/source/source.ts'
import type { StrategyPlan } from '../../src/strategy/strategy.ts'
import { EventBus, type JobEvents } from '../../src/telemetry/events.ts'
import { strategyParts } from '../../src/wire.ts'
import { type DatabaseFaults, SimulatedDatabase } from './database.ts'
import { type SimulatedLog, simulatedMembership, simulatedSource } from './source.ts'
import { Dice, Host, World } from './world.ts'

const PARTITIONS = 3
const RECORDS = 120
const KEYS = 5
/** A value that the job's own function cannot take. */
const UNPARSABLE = 'unparsable'
/** A key that the database rejects. */
const REJECTED = 'rejected'

export const stormy: DatabaseFaults = {
  connectionLoss: 0.01,
  lostAnswer: 0.03,
  lostCommit: 0.03,
  deadlock: 0.01,
}

export interface ScenarioResult {
  /** What is wrong with the final state; empty when every record counted exactly once. */
  readonly violations: readonly string[]
  readonly history: readonly string[]
  /** How often each kind of thing happened, so that a scenario in which nothing happened is noticed. */
  readonly counts: Readonly<
    Record<'crashes' | 'takeOvers' | 'rewinds' | 'fenced' | 'unknown' | 'batches' | 'deadLetters', number>
  >
}

export interface ScenarioOptions {
  /** Whether the log has records that the job or the database cannot take, and the job sets them aside. */
  readonly poison?: boolean
  /** @default the job's own default */
  readonly strategy?: StrategyPlan
  /** Replaces parts of the protocol by wrong ones: what the negative controls use. */
  readonly sabotage?: (parts: {
    claimer: Claimer
    database: SimulatedDatabase
    log: SimulatedLog
    source: Source
  }) => void
}

/**
 * One job, several processes that take it over from each other, crash, stop and wake, over a database that loses
 * connections, COMMITs, answers and acknowledged transactions. At the end one process drains the log undisturbed; then
 * every record must have counted exactly once.
 */
export async function runScenario(seed: number, options: ScenarioOptions = {}): Promise<ScenarioResult> {
  const world = new World(seed)
  const log = makeLog(new Dice(seed ^ 0x5eed), options.poison ?? false)
  const database = new SimulatedDatabase(world, { ...stormy })
  const counts = { crashes: 0, takeOvers: 0, rewinds: 0, fenced: 0, unknown: 0, batches: 0, deadLetters: 0 }
  const violations: string[] = []
  const job = makeJob(options.poison ?? false, options.strategy)
  if (options.poison) database.rejectedKey = REJECTED

  const launch = (name: string, once: boolean) => {
    const host = new Host(world, name)
    world.note(`${name} starts`)
    const life = live({ host, job, log, database, once, counts, sabotage: options.sabotage })
    const ended = life.then(
      () => true,
      (error: unknown) => {
        world.note(`${name} ends: ${String(error)}`)
        if (error instanceof OncesinkError && error.code === 'OWNERSHIP_LOST') counts.fenced += 1
        else violations.push(`${name} ended with ${String(error)}`)
        return true
      },
    )
    return { host, ended }
  }

  const processes = [launch('p0', false)]
  let snapshot = database.snapshot()
  const storm = (n: number) => {
    if (n === 0) return
    world.schedule(20 + world.dice.fraction() * 800, () => {
      const victim = processes.at(-1)?.host
      const dice = world.dice.below(10)
      if (dice < 3) {
        victim?.crash()
        counts.crashes += 1
        processes.push(launch(`p${processes.length}`, false))
      } else if (dice < 6) {
        if (world.dice.chance(0.5)) victim?.pause(world.dice.fraction() * 5_000)
        counts.takeOvers += 1
        processes.push(launch(`p${processes.length}`, false))
      } else if (dice < 7) {
        database.rewindTo(snapshot)
        counts.rewinds += 1
      } else snapshot = database.snapshot()
      storm(n - 1)
    })
  }
  const steps = 3 + world.dice.below(8)
  storm(steps)
  world.schedule(20 + steps * 850, () => {
    world.calm = true
  })
  await world.run(() => world.calm, 100_000)

  Object.assign(database.faults, { connectionLoss: 0, lostAnswer: 0, lostCommit: 0, deadlock: 0 })
  for (const { host } of processes) host.crash()
  const last = launch('last', true)
  let ended = false
  void last.ended.then(() => {
    ended = true
  })
  if (!(await world.run(() => ended, world.now + 300_000)))
    violations.push('the last process did not drain the log')
  if (counts.rewinds === 0) violations.push(...zombies(database.claims.map(({ host }) => host.name)))
  // Ranges that commit one by one are claimed again one by one, over a connection that holds the other claims.
  if (job.strategy.name !== 'perPartition') violations.push(...claimedTwice(database))
  counts.deadLetters = database.state.deadLetters.length
  return { violations: [...violations, ...compare(log, database)], history: world.history, counts }
}

export function makeLog(dice: Dice, poison: boolean): SimulatedLog {
  const value = () => {
    if (dice.chance(0.1)) return null
    if (!poison || !dice.chance(0.04)) return `k${dice.below(KEYS)}`
    return dice.chance(0.5) ? UNPARSABLE : REJECTED
  }
  return Array.from({ length: PARTITIONS }, () => Array.from({ length: RECORDS }, value))
}

function isPoison(value: string): boolean {
  return value === UNPARSABLE || value === REJECTED
}

function refuseUnparsable(value: string): number {
  if (value === UNPARSABLE) throw new Error('this is no number')
  return 1
}

export function makeJob(poison: boolean, strategy?: StrategyPlan): Job {
  return defineJob({
    name: 'simulated',
    database: { engine: 'postgres' } as DatabasePlan,
    limits: { maxRecordsPerBatch: 30 },
    poison: poison ? deadLetter() : 'fail',
    strategy,
    pipeline: from({ kind: 'simulated', startFrom: 'earliest' })
      .decode(string())
      .groupBy({ item: (value) => value })
      .aggregate({
        orders: count(),
        offsets: sum((value, meta) => refuseUnparsable(value) * Number(meta.offset)),
      })
      .into(merge({ table: 'totals' })),
  })
}

/** One process's life. */
export interface Life {
  readonly host: Host
  readonly job: Job
  readonly log: SimulatedLog
  readonly database: SimulatedDatabase
  /** Default: everything is this process's. */
  readonly membership?: Membership
  readonly once: boolean
  readonly stop?: AbortSignal
  readonly counts: { unknown: number; batches: number }
  readonly sabotage: ScenarioOptions['sabotage']
}

export async function live(life: Life): Promise<void> {
  const { host, job, log, database, once, counts } = life
  const runtime = host.runtime()
  const events = new EventBus<JobEvents>()
  events.on('batchFailed', ({ reason }) => {
    if (reason === 'unknown') counts.unknown += 1
    host.world.note(`${host.name}: batch ${reason}`)
  })
  events.on('batch', ({ ranges }) => {
    counts.batches += 1
    host.world.note(
      `${host.name} commits ${ranges.map((r) => `${r.partition}[${r.from},${r.until})`).join(' ')}`,
    )
  })
  events.on('claimed', ({ claims }) => {
    host.world.note(
      `${host.name} claims ${claims.map((c) => `${c.partition}@${c.nextOffset}e${c.epoch}`).join(' ')}`,
    )
  })
  const source = simulatedSource(host, log)
  const session = new JobSession(database.dialectFor(host), { job: job.name, owner: host.name }, runtime)
  const identity = {
    job: job.name,
    shape: shapeOf(job),
    codeVersion: '',
    sinkTables: ['totals'],
    acceptShapeChange: false,
  }
  const claimer = new Claimer({ session, source, startFrom: 'earliest', identity, events })
  life.sabotage?.({ claimer, database, log, source })
  const executor = createInlineExecutor(
    source,
    compilePartitionTask(job.root, job.pipelines, runtime.clock),
    runtime,
    job.poison,
  )
  const strategy = job.strategy.create(strategyParts(job, session, source, events))
  const ownership = new Ownership()
  const membership = life.membership ?? simulatedMembership(log)
  const rate = createRate(job)
  const deps = {
    job,
    runtime,
    events,
    source,
    session,
    claimer,
    membership,
    executor,
    strategy,
    ownership,
    rate,
  }
  try {
    await drive(deps, { stop: life.stop ?? new AbortController().signal, once, onRunning: () => {} })
  } finally {
    await strategy.deferred?.close()
    await strategy.close?.()
    await membership.stop()
    await session.close()
  }
}

/** A process that claims again after a later one has claimed would fence the rightful owner. */
function zombies(claimants: readonly string[]): string[] {
  return claimants.flatMap((name, i) => {
    const before = claimants.slice(0, i)
    const previous = before.lastIndexOf(name)
    const between = previous < 0 ? [] : before.slice(previous + 1).filter((other) => other !== name)
    return between.length === 0 ? [] : [`${name} has claimed again after ${between.join(', ')}`]
  })
}

/** Whoever holds a valid claim and its connection has no reason to claim again: it would fence its own batch in flight. */
function claimedTwice({ claims }: SimulatedDatabase): string[] {
  return claims.flatMap(({ host, twice }) =>
    twice.map((key) => `${host.name} has claimed ${key} again, which it holds`),
  )
}

/** The oracle: what the table, the positions and the ledger must hold when every record counted exactly once. */
export function compare(log: SimulatedLog, database: SimulatedDatabase): string[] {
  const violations: string[] = []
  const expected = new Map<string, [bigint, bigint]>()
  for (const records of log) {
    for (const [offset, value] of records.entries()) {
      if (value === null || isPoison(value)) continue
      const [orders, offsets] = expected.get(value) ?? [0n, 0n]
      expected.set(value, [orders + 1n, offsets + BigInt(offset)])
    }
  }
  for (const [key, got] of database.state.rows) {
    if (!expected.has(key)) violations.push(`${key}: expected no row, table has ${got}`)
  }
  violations.push(...compareDeadLetters(log, database))
  for (const [key, want] of expected) {
    const got = database.state.rows.get(key)
    if (String(got) !== String(want)) violations.push(`${key}: expected ${want}, table has ${got}`)
  }
  for (const partition of log.keys()) {
    const rows = database.state.ledger.filter((row) => row.partition === partition && row.kind === 'batch')
    let at = 0n
    for (const row of rows) {
      if (row.fromOffset !== at) violations.push(`ledger of ${partition}: ${row.fromOffset} follows ${at}`)
      at = row.untilOffset
    }
    const position = database.state.positions.get(`t/${partition}`)?.nextOffset
    if (position !== at || at !== BigInt(log[partition]?.length ?? 0)) {
      violations.push(`partition ${partition}: position ${position}, ledger ends at ${at}`)
    }
  }
  return violations
}

/** Every poison record, and no other, is a dead letter once, and the ledger counts it in the range that skips it. */
function compareDeadLetters(log: SimulatedLog, { state }: SimulatedDatabase): string[] {
  const name = (partition: number, offset: number | bigint) => `dead letter ${partition}@${offset}`
  const expected = log.flatMap((records, partition) =>
    records.flatMap((value, offset) => (value !== null && isPoison(value) ? [name(partition, offset)] : [])),
  )
  const actual = state.deadLetters.map(({ letter }) => name(letter.partition, letter.offset))
  const violations = expected.filter((key) => !actual.includes(key)).map((key) => `${key} is missing`)
  for (const [i, key] of actual.entries()) {
    if (!expected.includes(key)) violations.push(`${key} is no poison`)
    if (actual.indexOf(key) !== i) violations.push(`${key} is there twice`)
  }
  for (const row of state.ledger) {
    const inRange = state.deadLetters.filter(
      ({ letter }) =>
        letter.partition === row.partition &&
        letter.offset >= row.fromOffset &&
        letter.offset < row.untilOffset,
    )
    if (inRange.length !== row.deadLetters)
      violations.push(
        `ledger of ${row.partition} from ${row.fromOffset} counts ${row.deadLetters} dead letters, not ${inRange.length}`,
      )
  }
  return violations
}
