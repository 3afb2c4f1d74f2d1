import { describe, expect, test } from 'vitest'
import { compareRows, LogRecords, wrongRows } from '../../../src/chaos/checks.ts'
import { contradiction } from '../../../src/chaos/observer.ts'
import { segmentFromRecords } from '../../../src/source/record-segment.ts'

describe('a check', () => {
  test('finds nothing wrong with the same rows in another order, and columns in another order', () => {
    const result = compareRows(
      'c',
      [
        { item: 'a', n: 1 },
        { item: 'b', n: 2n },
      ],
      [
        { n: '2', item: 'b' },
        { n: '1', item: 'a' },
      ],
    )
    expect(result).toEqual({ name: 'c', rows: 2, missing: 0, unexpected: 0, differences: [] })
  })

  test('tells a lost row from a repeated one, and one never hides the other', () => {
    const result = compareRows('c', [{ item: 'a' }, { item: 'b' }], [{ item: 'b' }, { item: 'b' }])
    expect(result).toMatchObject({ missing: 1, unexpected: 1 })
    expect(result.differences).toEqual([
      'item=a is there not at all, and expected once',
      'item=b is there 2 times, and expected once',
    ])
    expect(wrongRows(result)).toBe(2)
  })

  test('tells NULL from an empty text', () => {
    expect(compareRows('c', [{ item: null }], [{ item: '' }])).toMatchObject({ missing: 1, unexpected: 1 })
  })

  test('counts all differences and tells the first ones', () => {
    const rows = Array.from({ length: 50 }, (_, n) => ({ n }))
    const result = compareRows('c', rows, [])
    expect([result.missing, result.differences.length, wrongRows(result)]).toEqual([50, 20, 50])
  })

  test('is given the records in order of partition and offset, nulls as nulls', () => {
    const records = new LogRecords()
    const add = (partition: number, offsets: readonly number[]) => {
      const segment = segmentFromRecords(
        't',
        partition,
        offsets.map((offset) => ({ offset, value: offset === 5 ? null : `{"n":${offset}}`, key: 'k' })),
      )
      records.add({
        range: { topic: 't', partition, from: 0n, until: 9n },
        records: offsets.length,
        bytes: 0,
        slices: [{ segment, begin: 0, end: offsets.length }],
        leaderEpoch: 0,
      })
    }
    add(1, [7])
    add(0, [2, 5])
    const sorted = records.sorted()
    expect(sorted.map(({ partition, offset }) => `${partition}/${offset}`)).toEqual(['0/2', '0/5', '1/7'])
    expect([sorted[0]?.json(), sorted[1]?.value, String(sorted[0]?.key)]).toEqual([{ n: 2 }, null, 'k'])
  })
})

describe('a snapshot of the running system', () => {
  const row = (witnessed: number, committed: number, last: number) => ({
    topic: 't',
    partition_no: 0,
    next_offset: '10',
    witnessed,
    committed,
    last_witness: last,
  })

  test('is right when there are as many results as the ledger says, all below the position', () => {
    expect(contradiction(row(8, 8, 9))).toBeNull()
    expect(contradiction(row(0, 0, -1))).toBeNull()
  })

  test.each([
    ['a result past the position', row(8, 8, 10), /offset 10, which is past it/],
    ['a result too many', row(9, 8, 9), /results of 9 records, and its ledger says 8/],
    ['a result too few', row(7, 8, 9), /results of 7 records, and its ledger says 8/],
  ])('is wrong with %s', (_, torn, message) => {
    expect(contradiction(torn)).toMatch(message)
  })
})
