import type { SimulatedEngine } from './database.ts'
import { Dice } from './dice.ts'
import { drawFaults, type Fault } from './faults.ts'
import { type StrategyName, strategyNames } from './strategies.ts'

/** What a seed decides before anything runs. */
export interface Scenario {
  readonly seed: number
  readonly engine: SimulatedEngine
  readonly strategy: StrategyName
  /** `all`: processes take the job over from each other; `group`: they divide its partitions. */
  readonly assignment: 'all' | 'group'
  /** Whether a process of a group that comes after one that was killed is known by its id. */
  readonly memberIds: 'static' | 'dynamic'
  readonly initialOwners: number
  readonly partitions: number
  /** Offsets of each partition. */
  readonly length: number
  readonly backlog: number
  readonly hasPoison: boolean
  readonly maxRecordsPerBatch: number
  readonly intervalMs: number
  /** After it no fault strikes any more, in simulated milliseconds. */
  readonly stormMs: number
  /** How it ends: the processes that are left go on, or one new process drains the log. */
  readonly ending: 'go on' | 'drain'
  readonly faults: readonly Fault[]
}

export function drawScenario(seed: number): Scenario {
  const dice = new Dice(seed)
  const assignment = dice.chance(0.6) ? 'group' : 'all'
  const stormMs = 1_500 + dice.below(1_500)
  const length = 12 + dice.below(28)
  const hasPoison = dice.chance(0.2)
  return {
    seed,
    engine: dice.one(['postgres', 'mysql']),
    strategy: dice.one(strategyNames),
    assignment,
    memberIds: new Dice(seed, 2).chance(0.6) ? 'static' : 'dynamic',
    initialOwners: assignment === 'group' ? 2 + dice.below(3) : 1,
    partitions: 2 + dice.below(3),
    length,
    backlog: dice.below(length),
    hasPoison,
    maxRecordsPerBatch: 3 + dice.below(20),
    intervalMs: dice.chance(0.3) ? 20 + dice.below(100) : 0,
    stormMs,
    ending: assignment === 'all' && dice.chance(0.5) ? 'drain' : 'go on',
    faults: drawFaults(seed, { withinMs: stormMs, isShared: assignment === 'group', hasPoison }),
  }
}

export function describeScenario(scenario: Scenario): string {
  const { faults, ...rest } = scenario
  const text = Object.entries(rest).map(([name, value]) => `${name} ${value}`)
  return `${text.join(', ')}, ${faults.length} faults`
}
