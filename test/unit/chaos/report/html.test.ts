import { describe, expect, test } from 'vitest'
import { chaosHtml } from '../../../../src/chaos/report/html.ts'
import { chaosJson } from '../../../../src/chaos/report/json.ts'
import { chaosText } from '../../../../src/chaos/report/text.ts'
import type { ChaosResult } from '../../../../src/chaos/result.ts'
import { checkChain } from '../../../../src/check/chain.ts'
import { concludeReport } from '../../../../src/check/conclusion.ts'
import { DeadLetterCheck } from '../../../../src/check/dead-letters.ts'
import { ledgerRow, positionRow, startRow } from '../../check/histories.ts'

const result: ChaosResult = {
  job: '<b>j</b>',
  jobFile: 'job.ts',
  engine: 'postgres',
  outcome: 'violation',
  exitCode: 4,
  seed: 42,
  intensity: 'medium',
  faults: [
    { name: 'kill', title: 'SIGKILL', count: 1_200, unfit: null },
    { name: 'worker-crash', title: 'a thread ends', count: 0, unfit: 'the job has no worker threads' },
  ],
  injected: 1_200,
  violations: [
    { class: 'row-missing', message: '<script>alert(1)</script>', nearby: ['0.10 s before: kill'] },
  ],
  violationCount: 3,
  inconclusive: ['columns that cannot be compared: "x"'],
  lost: 1,
  duplicated: null,
  sent: 10,
  recordsReplayed: 10,
  batches: 1,
  commits: 1,
  lives: 2,
  looks: 5,
  drainedAfterMs: 1_234,
  checks: [{ name: 'mine', rows: 2, missing: 1, unexpected: 0, differences: ['a is there not at all'] }],
  verify: concludeReport({
    job: 'j',
    chain: checkChain([startRow(0n), ledgerRow({})], [positionRow({ nextOffset: 10n, seq: 1n })]),
    deadLetters: new DeadLetterCheck([], [], []).finish(),
    controlTotals: null,
    tables: [],
    inconclusive: [],
    recordsReplayed: 10,
    replayedAll: true,
    chainOnly: false,
    durationMs: 1,
  }),
  durationMs: 20_000,
  versions: { kafka: '4.1.0' },
  replay: 'oncesink chaos job.ts --seed 42',
  history: [
    { atMs: 0, kind: 'phase', name: 'faults' },
    { atMs: 1, kind: 'life', life: 'a#1', what: 'started', detail: 'process 1' },
    { atMs: 500, kind: 'commit', life: 'a#1', batchId: 'b', records: 10, ranges: [] },
    { atMs: 900, kind: 'fault', nemesis: 'kill', detail: 'SIGKILL of "a#1"' },
    { atMs: 901, kind: 'life', life: 'a#1', what: 'ended', detail: 'SIGKILL' },
  ],
}

describe('the page', () => {
  const page = chaosHtml(result)

  test('holds what users and servers have said as text only', () => {
    expect(page).not.toContain('<script>')
    expect(page).not.toContain('<b>j</b>')
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
  })

  test('needs nothing from elsewhere', () => {
    expect(page).not.toMatch(/\b(src|href)=|url\(|@import/)
  })

  test('draws every fault and commit, and says what they were', () => {
    expect(page).toContain('<title>0.90 s: SIGKILL of &quot;a#1&quot;</title>')
    expect(page).toContain('<title>10 records committed</title>')
    expect(page).toContain('<title>a#1: SIGKILL</title>')
  })

  test('names violations with the faults before them, what is left out, and how to run it again', () => {
    for (const text of [
      '3 violations',
      '0.10 s before: kill',
      'and 2 more',
      'left out: the job has no',
      '--seed 42',
    ]) {
      expect(page).toContain(text)
    }
  })
})

test('the text has verdict, counts per fault, violations and how to run it again', () => {
  const text = chaosText(result)
  expect(text).toMatch(/VIOLATION after 1,200 faults/)
  expect(text).toMatch(/1,200 {2}kill +SIGKILL/)
  expect(text).toMatch(/0 {2}worker-crash +left out: the job has no worker threads/)
  expect(text).toMatch(/check +mine: 2 rows, 1 missing, 0 not expected/)
  expect(text).toMatch(/duplicated +unknown/)
  expect(text).toMatch(/\.\.\. and 2 more/)
  expect(text).toMatch(/replay +oncesink chaos job.ts --seed 42$/)
})

test('the JSON is plain, and without the history', () => {
  const object = JSON.parse(JSON.stringify(chaosJson(result))) as Record<string, unknown>
  expect(object).toMatchObject({ outcome: 'violation', exitCode: 4, seed: 42, lost: 1, entries: 5 })
  expect(object).not.toHaveProperty('history')
})
