import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkChain } from '../../../src/check/chain.ts'
import type { LedgerRow } from '../../../src/database/dialect.ts'
import { actRow, type History, honestHistory, ledgerRow, positionRow, startRow } from './histories.ts'

/** Start at 5, batches [5, 15) and [15, 30) under one claim, position 30. */
function history(): History {
  return {
    ledger: [
      startRow(5n),
      ledgerRow({ fromOffset: 5n, untilOffset: 15n, batchId: 'b1' }),
      ledgerRow({ fromOffset: 15n, untilOffset: 30n, batchId: 'b2', records: 15 }),
    ],
    positions: [positionRow({ nextOffset: 30n, seq: 2n })],
  }
}

function classesOf({ ledger, positions }: History): string[] {
  return checkChain(ledger, positions).violations.first.map((violation) => violation.class)
}

/** The history with some of its last batch row replaced. */
function lastBatch(change: Partial<LedgerRow>): History {
  const { ledger, positions } = history()
  const last = ledger.pop()
  return { ledger: last ? [...ledger, { ...last, ...change }] : ledger, positions }
}

/** Later than the rows of a history, which are of 1970: retention may have deleted some. */
const retainedSince = Date.UTC(2026, 0, 1)

describe('an honest history', () => {
  test('has no violation, and its batches and records are counted', () => {
    const report = checkChain(history().ledger, history().positions)
    expect(report.violations.total).toBe(0)
    expect(report).toMatchObject({ batches: 2, records: 25 })
    expect(report.partitions).toMatchObject([{ topic: 'orders', partition: 0, prunedBefore: null }])
  })

  test('does not depend on the order of the rows', () => {
    const { ledger, positions } = history()
    expect(classesOf({ ledger: ledger.reverse(), positions })).toEqual([])
  })

  test('may have lost its oldest batches to retention: the chain says before which offset', () => {
    const { ledger, positions } = history()
    const [start, , ...kept] = ledger
    const report = checkChain(start ? [start, ...kept] : [], positions, retainedSince)
    expect(report.violations.first).toEqual([])
    expect(report.partitions[0]?.prunedBefore).toBe(15n)
  })

  test('keeps its operator acts when retention deletes the batches around them', () => {
    const ledger = [
      startRow(5n),
      actRow({ fromOffset: 30n, untilOffset: 50n }),
      ledgerRow({
        incarnation: 1,
        epoch: 3n,
        claimId: 'claim-3',
        fromOffset: 60n,
        untilOffset: 61n,
        records: 1,
      }),
    ]
    const position = { incarnation: 1, epoch: 3n, claimId: 'claim-3', nextOffset: 61n, seq: 4n }
    expect(checkChain(ledger, [positionRow(position)], retainedSince).violations.first).toEqual([])
  })

  test('may be moved by an operator, who opens a new incarnation', () => {
    expect(classesOf(withAct({}))).toEqual([])
    const [act] = checkChain(...rowsOf(withAct({}))).acceptedLosses
    expect(act).toMatchObject({
      fromOffset: 30n,
      untilOffset: 50n,
      actor: 'ann@host',
      reason: 'disk was full',
    })
  })

  test.each([
    ['a truncated log goes on where it was cut', { cause: 'truncated', untilOffset: 22n }],
    ['a topic that was created again goes on at its beginning', { cause: 'recreated', untilOffset: 0n }],
  ] as const)('by an operator: %s, and offsets come again', (_, change) => {
    expect(classesOf(withAct(change))).toEqual([])
  })

  test('may have been claimed without a commit since', () => {
    const positions = [positionRow({ nextOffset: 30n, seq: 2n, epoch: 7n, claimId: 'claim-7' })]
    expect(classesOf({ ledger: history().ledger, positions })).toEqual([])
  })
})

describe('negative controls: every way to break a chain is named', () => {
  test('a gap between two batches, with the offsets that were never committed', () => {
    const report = checkChain(...rowsOf(lastBatch({ fromOffset: 17n, records: 13 })))
    expect(report.violations.total).toBe(1)
    const partition = { topic: 'orders', partition: 0 }
    expect(report.violations.first[0]).toMatchObject({ class: 'gap', epoch: 1n, batchId: 'b2', partition })
    expect(report.violations.first[0]?.message).toContain('orders/0 [15, 17) was never committed')
  })

  test('batches missing after the start that are too young for retention to have deleted them', () => {
    const [start, , ...kept] = history().ledger
    const ledger = start ? [start, ...kept] : []
    expect(classesOf({ ledger, positions: history().positions })).toEqual(['gap', 'batch-count'])
  })

  test('batches missing after the start that the position never counted, however old', () => {
    const [start, , ...kept] = history().ledger
    const positions = [positionRow({ nextOffset: 30n, seq: 1n })]
    const { violations } = checkChain(start ? [start, ...kept] : [], positions, retainedSince)
    expect(violations.first.map((violation) => violation.class)).toEqual(['gap'])
  })

  test('a gap between batches, however old: retention deletes the oldest ones only', () => {
    const { ledger } = history()
    const more = [...ledger, ledgerRow({ fromOffset: 40n, untilOffset: 50n })]
    const positions = [positionRow({ nextOffset: 50n, seq: 9n })]
    const { violations } = checkChain(more, positions, retainedSince)
    expect(violations.first.map((violation) => violation.class)).toEqual(['gap', 'batch-count'])
  })

  test('a chain without a start: retention never deletes it', () => {
    const { ledger, positions } = history()
    const { violations } = checkChain(ledger.slice(1), positions, retainedSince)
    expect(violations.first.map((violation) => violation.class)).toContain('start-misplaced')
  })

  test('an overlap of two batches', () => {
    expect(classesOf(lastBatch({ fromOffset: 14n }))).toEqual(['overlap'])
  })

  test('the same range committed twice', () => {
    const { ledger, positions } = history()
    const again = ledgerRow({ fromOffset: 15n, untilOffset: 30n, epoch: 1n, batchId: 'b3', records: 15 })
    expect(classesOf({ ledger: [...ledger, again], positions })).toContain('duplicate')
  })

  test('a batch that goes nowhere', () => {
    const { ledger, positions } = history()
    const empty = ledgerRow({ fromOffset: 30n, untilOffset: 30n, records: 0 })
    expect(classesOf({ ledger: [...ledger, empty], positions })).toContain('empty-batch')
  })

  test('the position past the ledger: an offset moved without its batch', () => {
    const positions = [positionRow({ nextOffset: 31n, seq: 2n })]
    expect(classesOf({ ledger: history().ledger, positions })).toEqual(['position-past-ledger'])
  })

  test('the position behind the ledger', () => {
    const positions = [positionRow({ nextOffset: 29n, seq: 2n })]
    expect(classesOf({ ledger: history().ledger, positions })).toEqual(['position-behind-ledger'])
  })

  test('an epoch that falls: a fenced owner has committed', () => {
    const { ledger, positions } = history()
    const first = { ...ledgerRow({ fromOffset: 5n, untilOffset: 15n }), epoch: 2n, claimId: 'claim-2' }
    expect(classesOf({ ledger: [startRow(5n), first, ...ledger.slice(2)], positions })).toEqual([
      'epoch-fell',
    ])
  })

  test('two claims in one epoch', () => {
    expect(classesOf(lastBatch({ claimId: 'claim-x' }))).toEqual(['claims-interleaved', 'claims-interleaved'])
  })

  test('a claim that commits again after another one', () => {
    const ledger = [
      startRow(0n),
      ledgerRow({ fromOffset: 0n, untilOffset: 10n, epoch: 1n, claimId: 'a' }),
      ledgerRow({ fromOffset: 10n, untilOffset: 20n, epoch: 2n, claimId: 'b' }),
      ledgerRow({ fromOffset: 20n, untilOffset: 30n, epoch: 3n, claimId: 'a' }),
    ]
    const positions = [positionRow({ nextOffset: 30n, seq: 3n, epoch: 3n, claimId: 'a' })]
    expect(classesOf({ ledger, positions })).toEqual(['claims-interleaved'])
  })

  test('the claim in the position is not the one that committed in its epoch', () => {
    const positions = [positionRow({ nextOffset: 30n, seq: 2n, claimId: 'claim-9' })]
    expect(classesOf({ ledger: history().ledger, positions })).toEqual(['claims-interleaved'])
  })

  test('a position whose epoch is older than the last batch', () => {
    const positions = [positionRow({ nextOffset: 30n, seq: 2n, epoch: 0n })]
    expect(classesOf({ ledger: history().ledger, positions })).toEqual(['epoch-fell'])
  })

  test('more records than offsets', () => {
    expect(classesOf(lastBatch({ records: 16 }))).toEqual(['impossible-record-count'])
  })

  test('two commits that the ledger shows as one', () => {
    const { ledger, positions } = history()
    const merged = [startRow(5n), ledgerRow({ fromOffset: 5n, untilOffset: 30n })]
    expect(classesOf({ ledger: merged, positions })).toEqual(['batch-count'])
    expect(ledger).toHaveLength(3)
    // However old they are: retention would have deleted the oldest ones, and nothing is missing there.
    const { violations, partitions } = checkChain(merged, positions, retainedSince)
    expect(violations.first.map((violation) => violation.class)).toEqual(['batch-count'])
    expect(partitions[0]?.prunedBefore).toBeNull()
  })

  test('a start inside the chain', () => {
    const { ledger, positions } = history()
    expect(classesOf({ ledger: [...ledger, startRow(30n)], positions })).toContain('start-misplaced')
  })

  test('a new incarnation without an act of the operator', () => {
    const positions = [positionRow({ nextOffset: 30n, seq: 2n, incarnation: 1 })]
    const { ledger } = lastBatch({ incarnation: 1 })
    expect(classesOf({ ledger, positions })).toEqual(['start-misplaced'])
  })

  test('a position without a ledger, and a ledger without a position', () => {
    const { ledger, positions } = history()
    expect(classesOf({ ledger: [], positions })).toEqual(['position-without-ledger'])
    expect(classesOf({ ledger, positions: [] })).toEqual(['ledger-without-position'])
  })

  test('of many violations all are counted and the first 20 are kept', () => {
    const { positions } = history()
    const ledger = Array.from({ length: 50 }, (_, i) =>
      ledgerRow({ fromOffset: BigInt(i * 10), untilOffset: BigInt(i * 10 + 5), records: 1 }),
    )
    const { violations } = checkChain(ledger, positions)
    expect(violations.first).toHaveLength(20)
    expect(violations.total).toBeGreaterThanOrEqual(49)
  })
})

const recipes = fc.array(
  fc.record({
    start: fc.nat(1000),
    batches: fc.array(
      fc.record({ length: fc.integer({ min: 2, max: 500 }), records: fc.nat(500), claims: fc.boolean() }),
      { minLength: 2, maxLength: 12 },
    ),
  }),
  { minLength: 1, maxLength: 4 },
)

/** One change to one batch row or to one position. */
const mutations: Record<string, (history: History, pick: number) => History> = {
  'drop a start': ({ ledger, positions }, pick) => ({
    ledger: ledger.filter((row) => row.kind === 'batch' || row.partition !== pick % positions.length),
    positions,
  }),
  'drop a batch': ({ ledger, positions }, pick) => {
    const victim = batchAt(ledger, pick)
    return { ledger: ledger.filter((row) => row !== victim), positions }
  },
  'write a batch twice': ({ ledger, positions }, pick) => ({
    ledger: [...ledger, batchAt(ledger, pick)],
    positions,
  }),
  'begin one later': (h, pick) => changed(h, pick, (row) => ({ fromOffset: row.fromOffset + 1n })),
  'begin one earlier': (h, pick) => changed(h, pick, (row) => ({ fromOffset: row.fromOffset - 1n })),
  'end one later': (h, pick) => changed(h, pick, (row) => ({ untilOffset: row.untilOffset + 1n })),
  'end one earlier': (h, pick) => changed(h, pick, (row) => ({ untilOffset: row.untilOffset - 1n })),
  'raise an epoch far': (h, pick) => changed(h, pick, (row) => ({ epoch: row.epoch + 100n })),
  'lower an epoch': (h, pick) => changed(h, pick, () => ({ epoch: -1n })),
  'let two claims commit in one epoch': ({ ledger, positions }, pick) => {
    const victim = batchAt(ledger, pick)
    const middle = victim.fromOffset + 1n
    const halves = [
      { ...victim, untilOffset: middle, records: 0, claimId: 'foreign' },
      { ...victim, fromOffset: middle, records: 0 },
    ]
    const raised = positions.map((row) => ({
      ...row,
      seq: row.seq + BigInt(row.partition === victim.partition),
    }))
    return { ledger: ledger.flatMap((row) => (row === victim ? halves : [row])), positions: raised }
  },
  'count too many records': (h, pick) =>
    changed(h, pick, (row) => ({ records: Number(row.untilOffset - row.fromOffset) + 1 })),
  'move a position on': ({ ledger, positions }, pick) => ({
    ledger,
    positions: positions.map((row, i) =>
      i === pick % positions.length ? { ...row, nextOffset: row.nextOffset + 1n } : row,
    ),
  }),
  'forget a commit': ({ ledger, positions }, pick) => ({
    ledger,
    positions: positions.map((row, i) =>
      i === pick % positions.length ? { ...row, seq: row.seq - 1n } : row,
    ),
  }),
}

function batchAt(ledger: readonly LedgerRow[], pick: number): LedgerRow {
  const batches = ledger.filter((row) => row.kind === 'batch')
  const row = batches[pick % batches.length]
  if (!row) throw new Error('a history has batches')
  return row
}

function changed(
  { ledger, positions }: History,
  pick: number,
  change: (row: LedgerRow) => Partial<LedgerRow>,
): History {
  const victim = batchAt(ledger, pick)
  return { ledger: ledger.map((row) => (row === victim ? { ...row, ...change(row) } : row)), positions }
}

/** The history, then an operator's act at 30 and a batch of the claim after it. */
function withAct(change: Partial<LedgerRow>, seq = 3n): History {
  const act = actRow({ fromOffset: 30n, untilOffset: 50n, ...change })
  const { untilOffset } = act
  const after = { incarnation: act.incarnation, epoch: 3n, claimId: 'claim-3' }
  const batch = {
    ...after,
    fromOffset: untilOffset,
    untilOffset: untilOffset + 1n,
    records: 1,
    batchId: 'b3',
  }
  return {
    ledger: [...history().ledger, act, ledgerRow(batch)],
    positions: [positionRow({ ...after, nextOffset: untilOffset + 1n, seq })],
  }
}

describe("negative controls: an operator's act covers what it says, and nothing else", () => {
  test.each<[string, Partial<LedgerRow>, string[]]>([
    ['begins past the end of the chain', { fromOffset: 31n }, ['gap']],
    ['begins inside the last batch', { fromOffset: 29n }, ['overlap']],
    ['names nobody', { actor: null }, ['act-unaccounted']],
    ['gives no reason', { reason: '' }, ['act-unaccounted']],
    ['gives no cause', { cause: null }, ['act-unaccounted']],
    ['says no topic id', { topicId: null }, ['act-unaccounted']],
    ['has not raised the epoch', { epoch: 1n, claimId: 'claim-1' }, ['act-unaccounted']],
    ['has no claim id', { claimId: null }, ['act-unaccounted']],
    ['leaves an incarnation out', { incarnation: 2 }, ['act-unaccounted']],
    ['claims records', { records: 5 }, ['act-unaccounted']],
    ['goes back, and blames retention', { untilOffset: 20n }, ['act-unaccounted']],
    ['skips, and blames a truncated log', { cause: 'truncated' }, ['act-unaccounted']],
    ['stays in the incarnation before it', { incarnation: 0 }, ['start-misplaced', 'start-misplaced', 'gap']],
  ])('one that %s', (_, change, classes) => {
    expect(classesOf(withAct(change)).sort()).toEqual(expect.arrayContaining(classes))
    expect(classesOf(withAct(change)).length).toBeGreaterThan(0)
  })

  test('a batch that does not begin where the act ends', () => {
    const { ledger, positions } = withAct({})
    const torn = ledger.map((row) => (row.batchId === 'b3' ? { ...row, fromOffset: 49n, records: 1 } : row))
    expect(classesOf({ ledger: torn, positions })).toEqual(['overlap'])
  })

  test('a commit that the count of commits does not know', () => {
    expect(classesOf(withAct({}, 2n))).toEqual(['batch-count'])
  })

  test('a zombie that commits after the act, under its old epoch', () => {
    const { ledger, positions } = withAct({ untilOffset: 30n, cause: 'truncated' })
    const zombie = ledgerRow({ incarnation: 1, fromOffset: 31n, untilOffset: 32n, records: 1, batchId: 'z' })
    const moved = positions.map((row) => ({ ...row, nextOffset: 32n, seq: 4n }))
    expect(classesOf({ ledger: [...ledger, zombie], positions: moved })).toContain('epoch-fell')
  })
})

describe('random histories', () => {
  test('without a violation pass', () => {
    fc.assert(
      fc.property(recipes, (recipe) => {
        const { ledger, positions } = honestHistory(recipe)
        expect(checkChain(ledger, positions).violations.first).toEqual([])
      }),
    )
  })

  test.each(Object.entries(mutations))('with one mutation never pass: %s', (_name, mutate) => {
    fc.assert(
      fc.property(recipes, fc.nat(100), (recipe, pick) => {
        const { ledger, positions } = mutate(honestHistory(recipe), pick)
        expect(checkChain(ledger, positions).violations.total).toBeGreaterThan(0)
      }),
    )
  })
})

function rowsOf({ ledger, positions }: History): [History['ledger'], History['positions']] {
  return [ledger, positions]
}
