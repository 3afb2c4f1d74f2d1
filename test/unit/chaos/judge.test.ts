import { describe, expect, test } from 'vitest'
import { History } from '../../../src/chaos/history.ts'
import { type Evidence, judge } from '../../../src/chaos/judge.ts'
import { checkChain } from '../../../src/check/chain.ts'
import { concludeReport } from '../../../src/check/conclusion.ts'
import { DeadLetterCheck } from '../../../src/check/dead-letters.ts'
import { BoundedList } from '../../../src/check/violation.ts'
import { ExitCode } from '../../../src/errors.ts'
import { ledgerRow, positionRow, startRow } from '../check/histories.ts'

const ledger = [startRow(0n), ledgerRow({})]

/** A run in which all is well: one fault, one commit, a report without anything wrong. */
function evidence(change: Partial<Evidence> = {}): Evidence {
  const history = new History()
  history.add({ kind: 'fault', nemesis: 'kill', detail: 'SIGKILL of a#1' })
  const range = 'orders/0 [0, 10)'
  history.add({ kind: 'commit', life: 'a#1', batchId: 'one', records: 10, ranges: [range] })
  const verify = concludeReport({
    job: 'j',
    chain: checkChain(ledger, [positionRow({ nextOffset: 10n, seq: 1n })]),
    deadLetters: new DeadLetterCheck([], [], []).finish(),
    controlTotals: null,
    tables: [],
    inconclusive: [],
    recordsReplayed: 10,
    replayedAll: true,
    chainOnly: false,
    durationMs: 1,
  })
  return {
    history,
    unexpected: [],
    acknowledged: new Set(),
    verify,
    ledger,
    checks: [],
    drainedAfterMs: 5,
    drainMs: 1_000,
    rewound: false,
    found: [],
    badEnds: [],
    ...change,
  }
}

const classes = (given: Evidence) => judge(given).violations.map((violation) => violation.class)

describe('the judgement', () => {
  test('is ok when faults have happened, work was done and nothing contradicts', () => {
    expect(judge(evidence())).toEqual({
      outcome: 'ok',
      exitCode: ExitCode.ok,
      violations: [],
      violationCount: 0,
      inconclusive: [],
    })
  })

  test('is inconclusive when no fault has happened, or nobody has committed anything', () => {
    const judgement = judge(evidence({ history: new History() }))
    expect(judgement).toMatchObject({ outcome: 'inconclusive', exitCode: ExitCode.inconclusive })
    expect(judgement.inconclusive).toEqual([
      'no fault has happened: nothing was put to the test',
      'no process has committed anything',
    ])
  })

  test('is a violation when the job does not commit what is left after healing', () => {
    const judgement = judge(evidence({ drainedAfterMs: null }))
    expect(judgement).toMatchObject({ outcome: 'violation', exitCode: ExitCode.violation, violationCount: 1 })
    expect(judgement.violations[0]?.class).toBe('not-alive')
  })

  test('is a violation when a commit that was acknowledged is not in the ledger, unless the database went back', () => {
    const acknowledged = new Set(['no such batch'])
    expect(classes(evidence({ acknowledged }))).toEqual(['acknowledged-batch-vanished'])
    expect(classes(evidence({ acknowledged, rewound: true }))).toEqual([])
  })

  test('is a violation when a snapshot was torn, with the faults before it', () => {
    const given = evidence()
    given.history.add({ kind: 'observed', records: 3, wrong: ['t/0 has results of 3 records'] })
    const [violation] = judge(given).violations
    expect(violation).toMatchObject({ class: 'torn-read', message: expect.stringContaining('results of 3') })
    expect(violation?.nearby[0]).toMatch(/s before: kill, SIGKILL of a#1$/)
  })

  test.each<[string, Partial<Evidence>]>([
    [
      'invariant-violated',
      { unexpected: [{ life: 'a#1', code: 'INVARIANT_VIOLATED', words: 'w', atMs: 1 }] },
    ],
    ['bad-end', { badEnds: ['it ended with exit code 1'] }],
    ['not-halted', { found: [{ class: 'not-halted', message: 'it went on' }] }],
    ['check-failed', { checks: [{ name: 'c', rows: 1, missing: 1, unexpected: 0, differences: ['x'] }] }],
  ])('is a violation: %s', (kind, change) => {
    expect(classes(evidence(change))).toEqual([kind])
  })

  test('does not hold an end by a passing failure against the job', () => {
    const unexpected = [{ life: 'a#1', code: 'DATABASE_REFUSED', words: 'disk full', atMs: 1 }]
    expect(judge(evidence({ unexpected })).outcome).toBe('ok')
  })

  test('names batch, epoch and faults of a record that is there twice', () => {
    const differences = new BoundedList<never>() as BoundedList<unknown>
    differences.add({
      class: 'row-repeated',
      key: { topic: 'orders', kafka_partition: '0', kafka_offset: '4' },
      expected: null,
      actual: null,
      times: 2,
    })
    const given = evidence()
    const table = { table: 'witness', sink: 'append', rowsExpected: 10, rowsActual: 11, differences }
    const verify = {
      ...given.verify,
      tables: [{ ...table, lost: 0n, duplicated: 1n, totals: [], notCompared: [] }],
    }
    const { violations } = judge({ ...given, verify: verify as never })
    expect(violations[0]?.message).toMatch(
      /witness .*kafka_offset=4.*; of batch batch-1 orders\/0 \[0, 10\), epoch 1/,
    )
  })
})
