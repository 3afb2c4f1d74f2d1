import { fileURLToPath } from 'node:url'
import { OncesinkError } from '../../errors.ts'
import { loadDefaultExport } from '../../job/load-job.ts'
import { isStrategyPlan, type StrategyPlan } from '../../strategy/strategy.ts'

/** What a module may make its strategy of, where it exports a function. */
export interface ContractPlace {
  /** An empty directory of the scenario's own: every process of it is given the same one. */
  readonly directory: string
}

/**
 * The strategy that a module exports by default, or that the function makes which it exports.
 * @throws OncesinkError CONFIGURATION_INVALID
 */
export async function loadStrategy(url: string, place: ContractPlace): Promise<StrategyPlan> {
  const file = fileURLToPath(url)
  const exported = await loadDefaultExport(file, 'strategy module')
  const made: unknown = typeof exported === 'function' ? await exported(place) : exported
  if (isStrategyPlan(made)) return made
  throw new OncesinkError(
    'CONFIGURATION_INVALID',
    `strategy module ${file} does not export a strategy: its default export must be a StrategyPlan, { name, create }, or a ` +
      'function that returns one',
  )
}
