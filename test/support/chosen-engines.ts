import { type Engine, engines } from '../../src/services/engine.ts'

/**
 * The databases that the integration tests run on: all of them, unless ONCESINK_ENGINES names some, separated by
 * commas. PostgreSQL, which needs nothing but npm, is always among them: much is tested on it alone.
 * @throws Error when it names something else
 */
export function chosenEngines(env: NodeJS.ProcessEnv = process.env): readonly Engine[] {
  const text = env.ONCESINK_ENGINES
  if (!text) return engines
  const names = text.split(',').map((name) => name.trim())
  const unknown = names.find((name) => !engines.some((engine) => engine === name))
  if (unknown !== undefined) {
    throw new Error(
      `ONCESINK_ENGINES names '${unknown}'; it may name ${engines.join(', ')}, or be unset for all`,
    )
  }
  if (!names.includes('postgres')) {
    throw new Error(`ONCESINK_ENGINES is '${text}'; postgres must be among them, and comes with npm`)
  }
  return engines.filter((engine) => names.includes(engine))
}

/** What a run that left engines out says in its last line; empty when it ran on all of them. */
export function engineNote(chosen: readonly Engine[]): string {
  const left = engines.filter((engine) => !chosen.includes(engine))
  return left.length === 0 ? '' : ` (not on ${left.join(' and ')}: ONCESINK_ENGINES)`
}
