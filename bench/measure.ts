import type { OpenSuite, Row, Sample, Target } from './suite.ts'

export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
}

export interface RowResult {
  readonly id: string
  readonly title: string
  readonly target: Target | null
  readonly value: Spread
  /** The 95 % interval of the mean; null where it was not asked for, or there was one turn only. */
  readonly interval: readonly [number, number] | null
  /** Whether the median meets the target; null without one. */
  readonly met: boolean | null
}

export interface ContestantResult {
  readonly name: string
  readonly value: Spread
  readonly peakRssMib: number | null
  readonly cpuSeconds: number | null
}

export interface SuiteResult {
  readonly rows: readonly RowResult[]
  readonly contestants: readonly ContestantResult[]
}

/** Runs all contestants in turns, `runs` times; the order is turned round every time, so that nobody is always last. */
export async function measure(
  { contestants, rows }: OpenSuite,
  runs: number,
  log: (message: string) => void,
): Promise<SuiteResult> {
  const samples = new Map<string, Sample[]>(contestants.map(({ name }) => [name, []]))
  for (let run = 0; run < runs; run++) {
    const order = run % 2 === 0 ? contestants : [...contestants].reverse()
    for (const { name, run: once } of order) {
      const sample = await once()
      samples.get(name)?.push(sample)
      log(`run ${run + 1} of ${runs}: ${name} ${figure(sample.value)}`)
    }
  }
  return {
    rows: rows.map((row) => resultOf(row, samples, runs)),
    contestants: contestants.map(({ name }) => {
      const own = samples.get(name) ?? []
      return {
        name,
        value: spreadOf(own.map(({ value }) => value)),
        peakRssMib: largest(own.map(({ peakRssMib }) => peakRssMib)),
        cpuSeconds: largest(own.map(({ cpuSeconds }) => cpuSeconds)),
      }
    }),
  }
}

function resultOf(row: Row, samples: ReadonlyMap<string, readonly Sample[]>, runs: number): RowResult {
  const { id, title, target } = row
  const values = Array.from({ length: runs }, (_, run) =>
    row.of((name, which) => {
      const sample = samples.get(name)?.[run]
      if (!sample) throw new Error(`row ${id} asks for '${name}', which is no contestant`)
      const found = which === undefined ? sample.value : sample.figures?.[which]
      if (found === undefined)
        throw new Error(`row ${id} asks for '${which}' of '${name}', which is no figure`)
      return found
    }),
  )
  const value = spreadOf(values)
  const interval = row.interval ? interval95(values) : null
  return { id, title, target, value, interval, met: target && isMet(target, value.median) }
}

/**
 * The 95 % interval of the mean, by Student's t with the quantile as Cornish and Fisher expand it (within 0.01 from five
 * values on; wider with fewer).
 * @returns null for fewer than two values
 */
export function interval95(values: readonly number[]): readonly [number, number] | null {
  const freedom = values.length - 1
  if (freedom < 1) return null
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / freedom
  const exact = { 1: 12.706, 2: 4.303, 3: 3.182 }[freedom]
  const z = 1.96
  const t =
    exact ?? z + (z ** 3 + z) / (4 * freedom) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2)
  const half = t * Math.sqrt(variance / values.length)
  return [mean - half, mean + half]
}

export function isMet(target: Target, value: number): boolean {
  return 'atLeast' in target ? value >= target.atLeast : value <= target.atMost
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const [least = Number.NaN, most = Number.NaN] = [sorted[0], sorted.at(-1)]
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
  return { median, least, most }
}

/** A ratio with two digits after the point (more where it is small), anything larger as a whole number. */
export function figure(value: number): string {
  if (value >= 1_000) return new Intl.NumberFormat('en-US').format(Math.round(value))
  return value !== 0 && Math.abs(value) < 0.1 ? value.toPrecision(2) : value.toFixed(2)
}

function largest(values: readonly (number | undefined)[]): number | null {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? null : Math.max(...known)
}
