import { figure, type Spread, type SuiteResult } from './measure.ts'
import type { Suite, Target } from './suite.ts'

/** What a suite has come to, as a Markdown table. */
export function table(suite: Suite, engine: string, { rows, contestants }: SuiteResult): string {
  const lines = [
    '',
    `### ${suite.name}: ${suite.title} (${engine})`,
    '',
    '| measure | median | least to most | target | met |',
    '|---|---|---|---|---|',
    ...rows.map(
      ({ title, value, target, met, interval }) =>
        `| ${title} | ${figure(value.median)} | ${range(value)}${intervalText(interval)} | ${targetText(target)} | ${met === null ? '' : met ? 'yes' : 'NO'} |`,
    ),
    '',
    '| run | median | least to most | peak RSS (MiB) | processor (s) |',
    '|---|---|---|---|---|',
    ...contestants.map(
      ({ name, value, peakRssMib, cpuSeconds }) =>
        `| ${name} | ${figure(value.median)} | ${range(value)} | ${peakRssMib?.toFixed(0) ?? ''} | ${cpuSeconds?.toFixed(1) ?? ''} |`,
    ),
  ]
  return lines.join('\n')
}

function range({ least, most }: Spread): string {
  return `${figure(least)} to ${figure(most)}`
}

function intervalText(interval: readonly [number, number] | null): string {
  return interval === null ? '' : `; mean, 95 %: ${figure(interval[0])} to ${figure(interval[1])}`
}

function targetText(target: Target | null): string {
  if (target === null) return ''
  return 'atLeast' in target ? `>= ${target.atLeast}` : `<= ${target.atMost}`
}
