import { describeFault, type Fault } from './faults.ts'
import type { Sabotage } from './life.ts'
import { runScenario, type ScenarioResult } from './run-scenario.ts'
import { describeScenario, drawScenario, type Scenario } from './scenario.ts'
import type { HistoryEntry } from './world.ts'

export interface Replay {
  readonly scenario: Scenario
  readonly result: ScenarioResult
  /** Scenario, faults, history and violations, for people to read. */
  readonly text: string
}

export interface ReplayOptions {
  /** Numbers of the faults to keep; by default all. */
  readonly only?: readonly number[] | undefined
  readonly sabotage?: Sabotage | undefined
}

/** Runs one seed again and writes its history. */
export async function replaySeed(seed: number, { only, sabotage }: ReplayOptions = {}): Promise<Replay> {
  const drawn = drawScenario(seed)
  const scenario = only ? keeping(drawn, only) : drawn
  const result = await runScenario(scenario, { isRecording: true, sabotage })
  return { scenario, result, text: textOf(scenario, result) }
}

/**
 * Leaves out one fault after another, as long as the seed still fails: what is left is what it takes.
 * @returns numbers of the faults that are left; null when the seed does not fail
 */
export async function minimiseSeed(seed: number, sabotage?: Sabotage): Promise<readonly number[] | null> {
  const scenario = drawScenario(seed)
  const fails = async (kept: readonly number[]) =>
    (await runScenario(keeping(scenario, kept), { sabotage })).violations.length > 0
  let kept = scenario.faults.map(({ id }) => id)
  if (!(await fails(kept))) return null
  for (let isSmaller = true; isSmaller; ) {
    isSmaller = false
    for (const id of [...kept]) {
      const without = kept.filter((other) => other !== id)
      if (!(await fails(without))) continue
      kept = without
      isSmaller = true
    }
  }
  return kept
}

function keeping(scenario: Scenario, only: readonly number[]): Scenario {
  return { ...scenario, faults: scenario.faults.filter(({ id }: Fault) => only.includes(id)) }
}

function textOf(scenario: Scenario, { violations, history }: ScenarioResult): string {
  return [
    describeScenario(scenario),
    '',
    'faults:',
    ...scenario.faults.map((fault) => `  ${describeFault(fault)}`),
    '',
    'history (simulated ms, who, what):',
    ...history.map(lineOf),
    '',
    violations.length === 0 ? 'Nothing is wrong.' : 'violations:',
    ...violations.map((violation) => `  ${violation}`),
  ].join('\n')
}

function lineOf({ at, who, what }: HistoryEntry): string {
  return `${at.toFixed(1).padStart(9)}  ${who.padEnd(8)} ${what}`
}
