import { describe, expect, test } from 'vitest'
import {
  conclude,
  type Evidence,
  exitCodeOf,
  proofText,
  resultJson,
  verifySummary,
} from '../../../src/demo/proof.ts'
import type { TotalsComparison } from '../../../src/demo/totals.ts'

const totals = { rows: 2, orders: 1_000, revenue: '12345.60' }
const table: TotalsComparison = {
  lost: 0,
  duplicated: 0,
  expected: totals,
  actual: totals,
  differentRows: 0,
  differences: [],
}
const verify = {
  outcome: 'ok',
  recordsReplayed: 1_000,
  chain: { unbroken: true, batches: 12, partitions: 4, violations: [] },
  inconclusive: [],
}
const evidence: Evidence = {
  engine: 'postgres',
  seed: 7,
  records: 1_000,
  produced: 1_000,
  inTopic: 1_000,
  kills: 3,
  ofKills: 3,
  killsWhileStarting: 1,
  drained: true,
  table,
  verify,
  restartMs: { median: 500.4, max: 812.2, processStart: 200 },
  durationMs: 12_345.6,
  versions: { oncesink: '0.1.0' },
}

test('all evidence in favour proves it, exit code 0', () => {
  const result = conclude(evidence)
  expect(result).toMatchObject({ ok: true, lost: 0, duplicated: 0, failures: [] })
  expect(exitCodeOf(result)).toBe(0)
})

describe('negative controls: any one thing that does not hold fails the proof, exit code 4', () => {
  const chain = verify.chain
  test.each<[string, Partial<Evidence>]>([
    ['a lost record', { table: { ...table, lost: 1 } }],
    ['a duplicated record', { table: { ...table, duplicated: 1 } }],
    ['a row with a wrong sum', { table: { ...table, differentRows: 1 } }],
    ['a broken chain', { verify: { ...verify, chain: { ...chain, unbroken: false } } }],
    ['an empty ledger', { verify: { ...verify, chain: { ...chain, batches: 0 } } }],
    ['a ledger that is not told', { verify: { ...verify, chain: { ...chain, batches: Number.NaN } } }],
    ['a violation', { verify: { ...verify, outcome: 'violation' } }],
    [
      'an inconclusive verification',
      { verify: { ...verify, outcome: 'inconclusive', inconclusive: ['why'] } },
    ],
    ['no kill that counts', { kills: 0, ofKills: 0 }],
    ['fewer kills than asked for', { kills: 2 }],
    [
      'nothing produced',
      { records: 0, produced: 0, inTopic: 0, table: { ...table, expected: { ...totals, orders: 0 } } },
    ],
    ['fewer records than asked for', { produced: 999, inTopic: 999 }],
    ['a topic that holds more than was produced', { inTopic: 1_001 }],
    ['a job that did not get there in time', { drained: false }],
    ['a producer that counted other orders', { table: { ...table, expected: { ...totals, orders: 999 } } }],
  ])('%s', (_name, change) => {
    const result = conclude({ ...evidence, ...change })
    expect(result.ok).toBe(false)
    expect(result.failures).not.toEqual([])
    expect(exitCodeOf(result)).toBe(4)
    expect(proofText(result)).toContain('NOT PROVEN')
    expect(proofText(result)).toContain(`FAILED              ${result.failures[0]}`)
  })
})

test('the text shows the proof', () => {
  const text = proofText(conclude(evidence))
  expect(text).toMatch(/lost +0\n/)
  expect(text).toMatch(/duplicated +0\n/)
  expect(text).toContain('1,000 orders, 12,345.60 revenue, 2 rows')
  expect(text).toContain('unbroken: 12 offset ranges over 4 partitions')
  expect(text).toContain('median 500 ms, max 812 ms (process start 200 ms of it)')
  expect(text).toContain('Every record counts exactly once.')
})

test('the JSON object is one line with the counts', () => {
  const json = resultJson(conclude(evidence))
  expect(json).not.toContain('\n')
  expect(JSON.parse(json)).toMatchObject({
    engine: 'postgres',
    ok: true,
    records: 1_000,
    kills: 3,
    lost: 0,
    duplicated: 0,
    seed: 7,
    expected: totals,
    actual: totals,
    chain: { unbroken: true, batches: 12 },
    restartMs: { median: 500, max: 812, processStart: 200 },
    durationMs: 12_346,
  })
})

test('a report of verify without its parts shows nothing, and so proves nothing', () => {
  const result = conclude({ ...evidence, verify: verifySummary({}) })
  expect(result.ok).toBe(false)
  expect(result.failures).toEqual([
    'the chain of offset ranges is broken',
    'the ledger has no batch',
    'oncesink verify says undefined',
  ])
})

test('violations in the report of verify are passed on', () => {
  const report = {
    outcome: 'violation',
    recordsReplayed: 5,
    chain: {
      unbroken: false,
      batches: 3,
      partitions: [{}],
      violations: { total: 1, first: [{ message: 'a gap' }] },
    },
    inconclusive: [],
  }
  expect(verifySummary(report).chain).toEqual({
    unbroken: false,
    batches: 3,
    partitions: 1,
    violations: ['a gap'],
  })
})
