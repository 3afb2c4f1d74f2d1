import type { SimulationReport } from './simulate.ts'
import type { Tally } from './tally.ts'

/** The last lines of a history that are printed of a failure; the replay prints all. */
const HISTORY_LINES = 60

export function progressLine({ seeds, failures }: Tally, total: number, elapsedMs: number): string {
  const perSecond = (seeds / elapsedMs) * 1_000
  const left = Number.isFinite(total) ? `, ${minutes((total - seeds) / perSecond)} left` : ''
  const of = Number.isFinite(total) ? `/${total}` : ''
  return `${seeds}${of} seeds, ${perSecond.toFixed(0)}/s, ${failures.length} failed${left}`
}

export function printReport(report: SimulationReport): void {
  const { seeds, failures, counts, elapsedMs } = report
  const row = (name: string, ...values: (string | number)[]) =>
    console.log(`  ${name.padEnd(26)}${values.map((value) => String(value).padStart(12)).join('')}`)
  console.log(`${seeds} seeds in ${minutes(elapsedMs / 1_000)}, ${failures.length} failed`)
  console.log('\nvariant                             seeds')
  for (const [variant, count] of Object.entries(report.seedsByVariant)) row(variant, count)
  console.log('\nfault                               struck    in seeds')
  const kinds = Object.keys(report.faultsByKind) as (keyof typeof report.faultsByKind)[]
  for (const kind of kinds) row(kind, report.faultsByKind[kind], report.seedsByKind[kind])
  console.log('\nwhat happened')
  for (const [name, count] of Object.entries(counts)) row(name, count)
  row('seeds without a fault', report.seedsWithoutFault)
  row('longest healing, sim. ms', Math.round(report.healedMsMax))
  if (report.missingKinds.length > 0)
    console.log(`\nNever struck, so nothing is proven of it: ${report.missingKinds.join(', ')}`)
  for (const failure of failures) {
    console.log(`\nseed ${failure.seed} FAILED`)
    for (const violation of failure.violations) console.log(`  ${violation}`)
    if (failure.history !== '') {
      console.log(`\n  with the fewest faults (${failure.only?.join(', ')}), the end of its history:`)
      for (const line of failure.history.split('\n').slice(-HISTORY_LINES)) console.log(`  ${line}`)
    }
    console.log(`  replay: ${failure.replay}`)
  }
}

function minutes(seconds: number): string {
  if (!Number.isFinite(seconds)) return 'unknown time'
  return seconds < 90 ? `${seconds.toFixed(0)} s` : `${(seconds / 60).toFixed(1)} min`
}
