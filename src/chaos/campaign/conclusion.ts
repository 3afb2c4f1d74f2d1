import { ExitCode } from '../../errors.ts'
import type { ControlResult, Counts } from './campaign.ts'
import type { TaskResult } from './run-campaigns.ts'
import { combined } from './verdict.ts'

/** What was found out beside the campaigns on real services: null where it was not asked for. */
export interface Beside {
  readonly simulation: SimulationResult | null
  readonly mutants: MutantsResult | null
}

export interface SimulationResult {
  readonly target: number
  readonly seeds: number
  readonly violations: readonly string[]
  readonly seconds: number
  readonly why: string | null
}

export interface MutantsResult {
  readonly total: number
  readonly killed: number
  readonly survivors: readonly string[]
  readonly why: string | null
}

/** One engine's part of a figure. */
export interface EngineFigure {
  readonly target: number
  readonly reached: number
  readonly seconds: number
  readonly perSecond: number
  readonly records: number
  readonly lost: number | null
  readonly duplicated: number | null
  readonly counts: Counts
  readonly why: string | null
}

export interface ChaosReport {
  readonly outcome: 'ok' | 'violation' | 'inconclusive'
  readonly exitCode: number
  readonly seed: number
  readonly seconds: number
  readonly figures: Readonly<Record<string, Readonly<Record<string, EngineFigure>>>>
  readonly simulation: SimulationResult | null
  readonly controls: Readonly<Record<string, readonly ControlResult[]>>
  readonly lost: number
  readonly duplicated: number
  readonly mutants: Pick<MutantsResult, 'total' | 'killed'> | null
  /** What contradicts the promise, one text each. */
  readonly violations: readonly string[]
  /** What was not reached or could not be checked, one text each. */
  readonly inconclusive: readonly string[]
}

/** Draws the conclusion. A run in which no fault was injected, or nothing was checked, proves nothing. */
export function conclude(
  results: readonly TaskResult[],
  beside: Beside,
  run: { readonly seed: number; readonly seconds: number },
): ChaosReport {
  const verdict = combined(results.flatMap(({ outcome }) => outcome?.verdict ?? []))
  const violations = [...verdict.violations]
  const inconclusive = [...verdict.inconclusive]
  const figures: Record<string, Record<string, EngineFigure>> = {}
  const controls: Record<string, readonly ControlResult[]> = {}
  for (const result of results) {
    const { task, outcome, why, jobFailed } = result
    const { name, title } = task.figure
    const label = `${title} (${task.engine})`
    figures[name] = { ...figures[name], [task.engine]: engineFigure(result) }
    if (jobFailed) violations.push(`${label}: ${why}`)
    else if (result.reached < task.target)
      inconclusive.push(`${label}: ${result.reached} of ${task.target} reached: ${why}`)
    else if (!outcome) inconclusive.push(`${label}: not checked: ${why}`)
    if (outcome && outcome.verdict.records === 0) inconclusive.push(`${label}: no record was checked`)
    if (outcome?.controls) controls[task.engine] = outcome.controls
    for (const { kind, kills, caught, cutShort } of outcome?.controls ?? []) {
      if (caught !== false) continue
      const blind = `${label}: '${kind}' was killed ${kills} times, and nothing was found wrong with it`
      if (cutShort) inconclusive.push(`${blind} before the time was over`)
      else violations.push(blind)
    }
  }
  // A table that is wrong and no finding that says so: the numbers alone are enough.
  if (verdict.lost > 0) violations.push(`${verdict.lost} records are lost`)
  if (verdict.duplicated > 0) violations.push(`${verdict.duplicated} records are duplicated`)
  const { simulation, mutants } = beside
  if (simulation) {
    violations.push(...simulation.violations)
    const short = simulation.seeds < simulation.target
    if (short || simulation.why !== null)
      inconclusive.push(
        `simulated seeds: ${simulation.seeds} of ${simulation.target} reached: ${simulation.why ?? 'it has ended before'}`,
      )
  }
  if (mutants) {
    for (const survivor of mutants.survivors) violations.push(`mutant ${survivor} was not killed`)
    if (mutants.why !== null) inconclusive.push(`mutants: ${mutants.why}`)
  }
  if (results.every(({ reached }) => reached === 0) && !simulation?.seeds)
    inconclusive.push('no fault was injected: nothing is proven')
  const outcome = violations.length > 0 ? 'violation' : inconclusive.length > 0 ? 'inconclusive' : 'ok'
  return {
    outcome,
    exitCode: ExitCode[outcome],
    ...run,
    figures,
    simulation,
    controls,
    lost: verdict.lost,
    duplicated: verdict.duplicated,
    mutants: mutants && { total: mutants.total, killed: mutants.killed },
    violations,
    inconclusive,
  }
}

function engineFigure({ task, reached, seconds, outcome, counts, why }: TaskResult): EngineFigure {
  return {
    target: task.target,
    reached,
    seconds: Math.round(seconds * 10) / 10,
    perSecond: seconds > 0 ? Math.round((reached / seconds) * 100) / 100 : 0,
    records: outcome?.verdict.records ?? 0,
    lost: outcome?.verdict.lost ?? null,
    duplicated: outcome?.verdict.duplicated ?? null,
    counts,
    why,
  }
}
