import { databaseNames, type Engine, engines } from '../../services/index.ts'
import type { ChaosReport, EngineFigure } from './conclusion.ts'
import { figures } from './figures.ts'

type Row = readonly [what: string, target: string, reached: string, detail: string]

/** The table of what was to be reached and what was, and everything that is not as it should be. */
export function reportText(report: ChaosReport): string {
  const lines = [tableText(rowsOf(report)), '', ...controlLines(report)]
  for (const violation of report.violations) lines.push(`violation: ${violation}`)
  for (const reason of report.inconclusive) lines.push(`inconclusive: ${reason}`)
  lines.push(`${report.outcome.toUpperCase()} after ${Math.round(report.seconds)} s (seed ${report.seed})`)
  return lines.join('\n')
}

function rowsOf(report: ChaosReport): Row[] {
  const rows: Row[] = [['', 'target', 'reached', '']]
  if (report.simulation) {
    const { target, seeds, seconds } = report.simulation
    rows.push(['simulated seeds', grouped(target), grouped(seeds), rateText(seeds, seconds)])
  }
  for (const { name, title } of figures) {
    for (const engine of engines) {
      const figure = report.figures[name]?.[engine]
      if (figure)
        rows.push([
          `${title}, ${engineTitle(engine)}`,
          grouped(figure.target),
          grouped(figure.reached),
          detailOf(figure),
        ])
    }
  }
  if (report.mutants)
    rows.push(['mutants killed', grouped(report.mutants.total), grouped(report.mutants.killed), ''])
  rows.push(['records lost', '0', grouped(report.lost), `of ${grouped(recordsOf(report))} that were checked`])
  rows.push(['records duplicated', '0', grouped(report.duplicated), ''])
  return rows
}

function detailOf({ reached, seconds, counts }: EngineFigure): string {
  const more = Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${name}: ${grouped(count)}`)
  return [rateText(reached, seconds), ...more].join('; ')
}

function rateText(reached: number, seconds: number): string {
  return `${(seconds > 0 ? reached / seconds : 0).toFixed(1)}/s`
}

function controlLines({ controls }: ChaosReport): string[] {
  const lines: string[] = []
  for (const engine of engines) {
    for (const { kind, kills, lost, duplicated, caught } of controls[engine] ?? []) {
      const conclusion = caught === null ? 'exactly once' : caught ? 'caught' : 'NOT CAUGHT'
      lines.push(
        `  ${engineTitle(engine).padEnd(11)}${kind.padEnd(32)}${kills} kills: ${lost} lost, ${duplicated} duplicated: ` +
          `${caught === null && lost + duplicated > 0 ? 'WRONG' : conclusion}`,
      )
    }
  }
  return lines.length === 0 ? [] : ['killed in the same way:', ...lines, '']
}

function recordsOf(report: ChaosReport): number {
  return Object.values(report.figures)
    .flatMap((perEngine) => Object.values(perEngine))
    .reduce((sum, { records }) => sum + records, 0)
}

function tableText(rows: readonly Row[]): string {
  const width = (i: 0 | 1 | 2) => Math.max(...rows.map((row) => row[i].length))
  return rows
    .map(([what, target, reached, detail]) =>
      `${what.padEnd(width(0))}  ${target.padStart(width(1))}  ${reached.padStart(width(2))}  ${detail}`.trimEnd(),
    )
    .join('\n')
}

function engineTitle(engine: Engine): string {
  return databaseNames[engine].title
}

/** `1,234,567`. */
export function grouped(count: number): string {
  return count.toLocaleString('en-US')
}
