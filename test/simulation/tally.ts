import { type FaultKind, faultKinds } from './faults.ts'
import type { Count, ScenarioResult } from './run-scenario.ts'
import type { Scenario } from './scenario.ts'

export interface SeedFailure {
  readonly seed: number
  /** What is wrong, the first things only. */
  readonly violations: readonly string[]
}

/** What many seeds have come to. Plain data: it goes from thread to thread. */
export interface Tally {
  seeds: number
  readonly failures: SeedFailure[]
  /** How often each kind of fault has struck. */
  readonly faultsByKind: Record<FaultKind, number>
  /** In how many seeds it has. */
  readonly seedsByKind: Record<FaultKind, number>
  /** Seeds by strategy, assignment and engine. */
  readonly seedsByVariant: Record<string, number>
  readonly counts: Record<Count, number>
  /** Seeds in which no fault has struck: they prove nothing. */
  seedsWithoutFault: number
  /** The longest way from the last fault to no lag, in simulated milliseconds. */
  healedMsMax: number
}

export function emptyTally(): Tally {
  const zero = () => Object.fromEntries(faultKinds.map((kind) => [kind, 0])) as Record<FaultKind, number>
  return {
    seeds: 0,
    failures: [],
    faultsByKind: zero(),
    seedsByKind: zero(),
    seedsByVariant: {},
    counts: {
      batches: 0,
      claims: 0,
      unknown: 0,
      fenced: 0,
      processes: 0,
      handOvers: 0,
      deadLetters: 0,
    },
    seedsWithoutFault: 0,
    healedMsMax: 0,
  }
}

export function addResult(tally: Tally, scenario: Scenario, result: ScenarioResult): void {
  tally.seeds += 1
  if (result.violations.length > 0)
    tally.failures.push({ seed: scenario.seed, violations: result.violations.slice(0, 5) })
  if (result.struck.size === 0) tally.seedsWithoutFault += 1
  for (const [kind, times] of result.struck) {
    tally.faultsByKind[kind] += times
    tally.seedsByKind[kind] += 1
  }
  for (const variant of [scenario.strategy, scenario.assignment, scenario.engine])
    tally.seedsByVariant[variant] = (tally.seedsByVariant[variant] ?? 0) + 1
  addCounts(tally.counts, result.counts)
  tally.healedMsMax = Math.max(tally.healedMsMax, result.healedMs ?? 0)
}

export function addTally(to: Tally, from: Tally): void {
  to.seeds += from.seeds
  to.failures.push(...from.failures)
  addCounts(to.faultsByKind, from.faultsByKind)
  addCounts(to.seedsByKind, from.seedsByKind)
  addCounts(to.seedsByVariant, from.seedsByVariant)
  addCounts(to.counts, from.counts)
  to.seedsWithoutFault += from.seedsWithoutFault
  to.healedMsMax = Math.max(to.healedMsMax, from.healedMsMax)
}

function addCounts(to: Record<string, number>, from: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(from)) to[name] = (to[name] ?? 0) + count
}
