import type { ChaosResult } from '../result.ts'

/** The report for people, without a line break at its end. */
export function chaosText(result: ChaosResult): string {
  const lines = [`chaos ${result.job}: ${headline(result)}`]
  const add = (label: string, text: string) => lines.push(`  ${label.padEnd(16)}${text}`)
  add('lost', result.lost === null ? 'unknown: no column counts records' : grouped(result.lost))
  add(
    'duplicated',
    result.duplicated === null ? 'unknown: no column counts records' : grouped(result.duplicated),
  )
  add(
    'records',
    `${grouped(result.sent)} sent, ${grouped(result.recordsReplayed)} read again and compared, in ${grouped(result.batches)} batches`,
  )
  add('ledger chain', result.verify.chain.violations.total === 0 ? 'unbroken' : 'BROKEN')
  for (const table of result.verify.tables) {
    add(
      'table',
      `${table.table}: ${grouped(table.rowsActual)} rows, ${grouped(table.rowsExpected)} expected, ${grouped(table.differences.total)} different`,
    )
  }
  for (const { name, rows, missing, unexpected } of result.checks) {
    const wrong = `${grouped(missing)} missing, ${grouped(unexpected)} not expected`
    add('check', `${name}: ${grouped(rows)} rows, ${missing + unexpected === 0 ? 'as expected' : wrong}`)
  }
  add('observer', `${grouped(result.looks)} snapshots of the running system`)
  add('processes', `${grouped(result.lives)} lives, ${grouped(result.commits)} commits`)
  add(
    'after healing',
    result.drainedAfterMs === null
      ? 'NOT everything was committed'
      : `everything was committed within ${(result.drainedAfterMs / 1_000).toFixed(1)} s`,
  )
  add(
    'faults',
    `${grouped(result.injected)} in ${(result.durationMs / 1_000).toFixed(0)} s, seed ${result.seed}`,
  )
  for (const { name, title, count, unfit } of result.faults) {
    add(
      '',
      `${grouped(count).padStart(6)}  ${name.padEnd(18)}${unfit === null ? title : `left out: ${unfit}`}`,
    )
  }
  for (const reason of result.inconclusive) add('inconclusive', reason)
  for (const violation of result.violations) {
    add('VIOLATION', `${violation.class}: ${violation.message}`)
    for (const fault of violation.nearby) add('', `  ${fault}`)
  }
  const more = result.violationCount - result.violations.length
  if (more > 0) add('', `... and ${grouped(more)} more`)
  add('replay', result.replay)
  return lines.join('\n')
}

export function headline({ outcome, injected }: Pick<ChaosResult, 'outcome' | 'injected'>): string {
  const faults = `${grouped(injected)} ${injected === 1 ? 'fault' : 'faults'}`
  switch (outcome) {
    case 'ok':
      return `OK, every record counts exactly once after ${faults}`
    case 'violation':
      return `VIOLATION after ${faults}`
    case 'inconclusive':
      return `INCONCLUSIVE after ${faults}`
  }
}

/** 200,000: the same in every locale. */
export function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',')
}
