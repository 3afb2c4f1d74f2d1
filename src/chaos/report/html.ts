import { formatReport } from '../../check/report.ts'
import { wrongRows } from '../checks.ts'
import type { ChaosResult } from '../result.ts'
import { escaped } from './escaped.ts'
import { styles } from './styles.ts'
import { grouped, headline } from './text.ts'
import { timeline } from './timeline.ts'

/** Faults that are listed one by one. */
const MAX_LISTED = 400

/** The report as one page that needs nothing besides: no script, no font, no picture from elsewhere. */
export function chaosHtml(result: ChaosResult): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>chaos ${escaped(result.job)}: ${result.outcome}</title>
<style>${styles}</style>
</head>
<body>
<main>
<header>
  <p class="kicker">oncesink chaos · ${escaped(result.job)}</p>
  <h1 class="${result.outcome}">${escaped(headline(result))}.</h1>
  <p class="lead">${escaped(lead(result))}</p>
</header>
${numbers(result)}
${violations(result)}
${doubts(result)}
<section>
  <h2>Timeline</h2>
  ${timeline(result)}
</section>
<section>
  <h2>Faults</h2>
  ${faultTable(result)}
</section>
<section>
  <h2>What was checked</h2>
  ${checked(result)}
</section>
<section>
  <h2>Run it again</h2>
  <pre class="command">${escaped(result.replay)}</pre>
  <p class="note">The seed decides the records, the order of the faults and their measures. When exactly each one strikes
  depends on the machine too.</p>
</section>
<section>
  <details><summary>Every fault, in order</summary>${faultList(result)}</details>
  <details><summary>The whole comparison</summary><pre>${escaped(formatReport(result.verify))}</pre></details>
</section>
<footer>${escaped(versions(result))}</footer>
</main>
</body>
</html>
`
}

function lead({ durationMs, injected, batches, lives, recordsReplayed }: ChaosResult): string {
  return (
    `In ${seconds(durationMs)} the job lived ${grouped(lives)} lives through ${grouped(injected)} faults and committed ` +
    `${grouped(batches)} offset ranges. Then ${grouped(recordsReplayed)} records were read again from the log and compared with the tables, row by row.`
  )
}

function numbers(result: ChaosResult): string {
  const tile = (label: string, value: string, state = '') =>
    `<div class="tile ${state}"><dt>${label}</dt><dd>${escaped(value)}</dd></div>`
  const count = (value: number | null) => (value === null ? 'unknown' : grouped(value))
  const state = (value: number | null) => (value === 0 ? 'good' : value === null ? '' : 'bad')
  return `<dl class="tiles">
  ${tile('records lost', count(result.lost), state(result.lost))}
  ${tile('records duplicated', count(result.duplicated), state(result.duplicated))}
  ${tile('faults', grouped(result.injected))}
  ${tile('records compared', grouped(result.recordsReplayed))}
  ${tile('commits told of', grouped(result.commits))}
  ${tile('after healing', result.drainedAfterMs === null ? 'never' : seconds(result.drainedAfterMs), result.drainedAfterMs === null ? 'bad' : '')}
</dl>`
}

function violations({ violations: list, violationCount }: ChaosResult): string {
  if (violationCount === 0) return ''
  const items = list.map(
    ({ class: kind, message, nearby }) =>
      `<li><code>${escaped(kind)}</code> ${escaped(message)}${
        nearby.length === 0 ? '' : `<ul>${nearby.map((fault) => `<li>${escaped(fault)}</li>`).join('')}</ul>`
      }</li>`,
  )
  const more = violationCount - list.length
  return `<section class="violations">
  <h2>${grouped(violationCount)} ${violationCount === 1 ? 'violation' : 'violations'}</h2>
  <ol>${items.join('\n')}</ol>${more > 0 ? `<p class="note">and ${grouped(more)} more</p>` : ''}
</section>`
}

function doubts({ inconclusive }: ChaosResult): string {
  if (inconclusive.length === 0) return ''
  return `<section class="doubts">
  <h2>What could not be checked</h2>
  <ul>${inconclusive.map((reason) => `<li>${escaped(reason)}</li>`).join('\n')}</ul>
</section>`
}

function faultTable({ faults }: ChaosResult): string {
  const most = Math.max(1, ...faults.map(({ count }) => count))
  const rows = faults.map(({ name, title, count, unfit }) => {
    const bar = `<span class="bar" style="width:${((count / most) * 100).toFixed(1)}%"></span>`
    return `<tr class="${count === 0 ? 'none' : ''}"><th scope="row"><code>${escaped(name)}</code></th>
      <td>${escaped(unfit === null ? title : `left out: ${unfit}`)}</td><td class="number">${grouped(count)}</td><td class="bars">${bar}</td></tr>`
  })
  return `<div class="scroll"><table><thead><tr><th>fault</th><th>what it does</th><th class="number">times</th><th></th></tr></thead>
  <tbody>${rows.join('\n')}</tbody></table></div>`
}

function checked(result: ChaosResult): string {
  const { verify, looks, checks } = result
  const rows: [string, string, boolean][] = [
    [
      'Chain of the ledger',
      `${grouped(verify.chain.batches)} offset ranges over ${grouped(verify.chain.partitions.length)} partitions, each begins where the last one ended; claims never interleave`,
      verify.chain.violations.total === 0,
    ],
    ...verify.tables.map((table): [string, string, boolean] => [
      table.table,
      `${grouped(table.rowsActual)} rows, ${grouped(table.rowsExpected)} expected, ${grouped(table.differences.total)} different`,
      table.differences.total === 0,
    ]),
    ...checks.map((check): [string, string, boolean] => [
      check.name,
      `${grouped(check.rows)} rows, ${wrongRows(check) === 0 ? 'all as expected' : `${grouped(check.missing)} missing, ${grouped(check.unexpected)} not expected`}`,
      wrongRows(check) === 0,
    ]),
  ]
  if (verify.controlTotals) {
    rows.push([
      'Records of each batch',
      `${grouped(verify.controlTotals.batches)} batches counted again in the log, and ${grouped(verify.controlTotals.digests)} digests of them computed again`,
      verify.controlTotals.violations.total === 0,
    ])
  }
  rows.push([
    'Running system',
    `${grouped(looks)} snapshots during the run: results and positions always of the same moment`,
    !result.violations.some(({ class: kind }) => kind === 'torn-read'),
  ])
  rows.push([
    'Liveness',
    result.drainedAfterMs === null
      ? 'not everything was committed after all was healed'
      : `everything was committed within ${seconds(result.drainedAfterMs)} after all was healed`,
    result.drainedAfterMs !== null,
  ])
  const line = ([name, text, ok]: [string, string, boolean]) =>
    `<tr><td class="mark ${ok ? 'good' : 'bad'}">${ok ? '✓' : '✗'}</td><th scope="row">${escaped(name)}</th><td>${escaped(text)}</td></tr>`
  return `<div class="scroll"><table class="checks"><tbody>${rows.map(line).join('\n')}</tbody></table></div>`
}

function faultList({ history }: ChaosResult): string {
  const faults = history.flatMap((entry) => (entry.kind === 'fault' ? [entry] : []))
  const lines = faults
    .slice(0, MAX_LISTED)
    .map(
      ({ atMs, nemesis, detail }) =>
        `<tr><td class="number">${(atMs / 1_000).toFixed(2)} s</td><td><code>${escaped(nemesis)}</code></td><td>${escaped(detail)}</td></tr>`,
    )
  const more = faults.length - lines.length
  return `<div class="scroll"><table class="log"><tbody>${lines.join('\n')}</tbody></table></div>${more > 0 ? `<p class="note">and ${grouped(more)} more</p>` : ''}`
}

function versions(result: ChaosResult): string {
  const names = Object.entries(result.versions).map(([name, version]) => `${name} ${version}`)
  return `${result.jobFile} · seed ${result.seed} · intensity ${result.intensity} · ${names.join(' · ')}`
}

function seconds(ms: number): string {
  return ms < 9_950 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms / 1_000)} s`
}
