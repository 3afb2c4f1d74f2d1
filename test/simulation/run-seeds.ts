import type { Sabotage } from './life.ts'
import { runScenario } from './run-scenario.ts'
import { drawScenario } from './scenario.ts'
import { addResult, emptyTally, type Tally } from './tally.ts'

export interface SeedsWanted {
  /** First seed. */
  readonly from: number
  /** How many. */
  readonly seeds: number
  /** Whether to end with the first seed that fails. @default false */
  readonly stopAtFirst?: boolean | undefined
  /** Replaces parts of the protocol by wrong ones. */
  readonly sabotage?: Sabotage | undefined
}

/** Runs seeds one after another in this thread. */
export async function runSeeds({ from, seeds, stopAtFirst, sabotage }: SeedsWanted): Promise<Tally> {
  const tally = emptyTally()
  for (let seed = from; seed < from + seeds; seed += 1) {
    const scenario = drawScenario(seed)
    addResult(tally, scenario, await runScenario(scenario, { sabotage }))
    if (stopAtFirst && tally.failures.length > 0) break
  }
  return tally
}
