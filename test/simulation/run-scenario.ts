import { SimulatedCoordinator } from './coordinator.ts'
import { SimulatedDatabase } from './database.ts'
import { FaultInjector, type FaultKind, isTimed } from './faults.ts'
import { finalViolations } from './final-check.ts'
import { simulatedJob } from './job.ts'
import type { Sabotage } from './life.ts'
import { REJECTED, SimulatedLog } from './log.ts'
import { Owners } from './owners.ts'
import type { Scenario } from './scenario.ts'
import { strikeAround } from './timed-faults.ts'
import { verifyViolations } from './verify.ts'
import { Watcher } from './watcher.ts'
import { type HistoryEntry, World } from './world.ts'

/** After the last fault the lag must reach zero within this time, in simulated milliseconds. */
export const LIVENESS_MS = 60_000
/** Of every so many seeds one is verified with the checker that users run, too. */
const VERIFY_EVERY = 16

export interface RunOptions {
  /** Whether the history is written. @default false */
  readonly isRecording?: boolean
  /** Replaces parts of the protocol by wrong ones: what the negative controls use. */
  readonly sabotage?: Sabotage | undefined
}

export interface ScenarioResult {
  /** What is wrong; empty when every record counted exactly once. */
  readonly violations: readonly string[]
  readonly history: readonly HistoryEntry[]
  /** How often each kind of fault has struck. */
  readonly struck: ReadonlyMap<FaultKind, number>
  readonly counts: Readonly<Record<Count, number>>
  /** From the last fault to no lag, in simulated milliseconds; null when it was not reached. */
  readonly healedMs: number | null
}

export type Count = 'batches' | 'claims' | 'unknown' | 'fenced' | 'processes' | 'handOvers' | 'deadLetters'

/**
 * One job, and processes that take it over from each other or share it, over a database, brokers and a group that fail as
 * the scenario says. Then the faults end, and whoever is left must drain the log: every record must have counted exactly
 * once, at every moment and at the end.
 */
export async function runScenario(scenario: Scenario, options: RunOptions = {}): Promise<ScenarioResult> {
  const { seed, stormMs } = scenario
  const world = new World(options.isRecording)
  const log = new SimulatedLog(seed, { ...scenario, untilMs: stormMs })
  const faults = new FaultInjector(scenario.faults)
  const database = new SimulatedDatabase(world, faults, scenario.engine)
  if (scenario.hasPoison) database.rejectedKey = REJECTED
  const watcher = new Watcher(log)
  watcher.claimsOneByOne = scenario.strategy === 'perPartition'
  watcher.takesUp = scenario.strategy === 'fileHandoff'
  database.watcher = watcher
  const group = scenario.assignment === 'group' ? new SimulatedCoordinator(world) : null
  const job = simulatedJob(scenario)
  const sabotage = options.sabotage ?? null
  const owners = new Owners({ scenario, world, log, faults, database, watcher, group, job, sabotage })
  if (group) watcher.grantOf = (host, key) => owners.grantOf(host, key)

  faults.strikeAround = (fault) => strikeAround(fault, { owners, database })
  for (let i = 0; i < scenario.initialOwners; i += 1) owners.launch()
  for (const fault of scenario.faults) {
    if (isTimed(fault) && 'atMs' in fault.when) world.schedule(fault.when.atMs, () => faults.strikeNow(fault))
  }
  let isStormOver = false
  world.schedule(stormMs, () => {
    isStormOver = true
  })
  await world.run(() => isStormOver, stormMs)

  faults.isArmed = false
  world.note('world', () => 'no fault strikes any more')
  owners.heal()
  const isDrained = () =>
    log.values.every((_, p) => database.state.positions.get(`t/${p}`)?.nextOffset === BigInt(log.length))
  const isOver = scenario.ending === 'drain' ? () => isDrained() && owners.hasDrained : isDrained
  const healed = await world.run(isOver, stormMs + LIVENESS_MS)
  const healedMs = healed ? world.now - stormMs : null
  if (!healed) watcher.report(`the lag is not zero ${LIVENESS_MS} simulated ms after the last fault`)
  owners.killAll()

  const found = finalViolations(log, database.state)
  if (seed % VERIFY_EVERY === 0 && healed)
    found.push(...(await verifyViolations({ world, job, log, database, faults, seed })))
  if (watcher.batches === 0) found.push('nothing was committed')
  const struck = new Map<FaultKind, number>()
  for (const { kind } of faults.struck) struck.set(kind, (struck.get(kind) ?? 0) + 1)
  const { batches, claims, unknown, fenced } = watcher
  const counts = {
    batches,
    claims,
    unknown,
    fenced,
    processes: owners.count,
    handOvers: group?.handOvers ?? 0,
    deadLetters: database.state.deadLetters.length,
  }
  return { violations: [...watcher.violations, ...found], history: world.history, struck, counts, healedMs }
}
