import { runBeside } from './beside-program.ts'
import type { SimulationResult } from './conclusion.ts'

const SEEDS = 100_000
/** With `--long`. */
const LONG_SEEDS = 10_000_000

/** It takes what others leave of the processors, but not nothing. */
const NICENESS = 5

export interface SimulateOptions {
  readonly scale: number
  readonly long: boolean
  readonly seed: number
  readonly signal: AbortSignal
  readonly note: (line: string) => void
}

/**
 * The driver over simulated databases, brokers and processes, one seed after another, in as much time as there is.
 * Aborting the signal ends it with what was reached.
 */
export async function simulate({
  scale,
  long,
  seed,
  signal,
  note,
}: SimulateOptions): Promise<SimulationResult> {
  const began = performance.now()
  const target = Math.max(1, Math.round((long ? LONG_SEEDS : SEEDS) * scale))
  if (signal.aborted)
    return { target, seeds: 0, violations: [], seconds: 0, why: 'the time was over before it could begin' }
  const result = await runBeside({
    file: 'test/simulation/main.ts',
    args: ['--seeds', String(target), '--from', String(seed), '--json'],
    signal,
    note,
    niceness: NICENESS,
  })
  const seconds = (performance.now() - began) / 1_000
  if (!result) return { target, seeds: 0, violations: [], seconds, why: 'test/simulation printed no report' }
  const failures = (Array.isArray(result.failures) ? result.failures : []) as SimulatedFailure[]
  const missing = Array.isArray(result.missingKinds) ? result.missingKinds.map(String) : []
  return {
    target,
    seeds: Number(result.seeds),
    violations: failures.map(
      (failure) =>
        `simulated seed ${failure.seed}: ${failure.violations.join('; ')}; replay: ${failure.replay}`,
    ),
    seconds,
    why: signal.aborted
      ? `its ${Math.round(seconds)} s were over`
      : missing.length > 0
        ? `no fault of these kinds has struck: ${missing.join(', ')}`
        : null,
  }
}

interface SimulatedFailure {
  readonly seed: number
  readonly violations: readonly string[]
  readonly replay: string
}
