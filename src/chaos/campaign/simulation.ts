import { runBeside } from './beside-program.ts'
import type { SimulationResult } from './conclusion.ts'

const SEEDS = 100_000
/** With `--long`. */
const LONG_SEEDS = 10_000_000

export interface SimulateOptions {
  readonly scale: number
  readonly long: boolean
  readonly seed: number
  readonly signal: AbortSignal
  readonly note: (line: string) => void
}

/** The driver over a simulated database and a simulated source, one seed after another. */
export async function simulate({
  scale,
  long,
  seed,
  signal,
  note,
}: SimulateOptions): Promise<SimulationResult> {
  const began = performance.now()
  const target = Math.max(1, Math.round((long ? LONG_SEEDS : SEEDS) * scale))
  const result = await runBeside({
    file: 'test/simulation/main.ts',
    args: ['--seeds', String(target), '--first', String(seed), '--json'],
    signal,
    note,
  })
  const seconds = (performance.now() - began) / 1_000
  if (!result)
    return {
      target,
      seeds: 0,
      violations: [],
      seconds,
      why: 'test/simulation has no program that can be run',
    }
  const violations = Array.isArray(result.violations) ? result.violations.map(String) : []
  const seeds = Number(result.seeds)
  return { target, seeds, violations, seconds, why: signal.aborted ? 'interrupted' : 'it has ended before' }
}
