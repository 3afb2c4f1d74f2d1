import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MultisetDetail, MultisetDigest, type MultisetResult } from '../../../src/check/append-comparison.ts'

/** Both passes over both sides, as the oracle makes them. */
function compare(expected: readonly string[], actual: readonly string[], maxRows = 1000): MultisetResult {
  const digest = new MultisetDigest()
  for (const row of expected) digest.expect(row)
  for (const row of actual) digest.actual(row)
  const detail = new MultisetDetail(digest.suspects(maxRows))
  for (const row of expected) detail.expect(row)
  for (const row of actual) detail.actual(row)
  return detail.finish((row) => ({ row }))
}

test('the same rows in another order are the same multiset, and nothing needs a second pass', () => {
  const digest = new MultisetDigest()
  for (const row of ['a', 'b', 'b', 'c']) digest.expect(row)
  for (const row of ['b', 'c', 'b', 'a']) digest.actual(row)
  expect(digest.suspects(10).buckets.size).toBe(0)
  expect(digest).toMatchObject({ rowsExpected: 4, rowsActual: 4 })
})

describe('negative controls', () => {
  test('a lost row, a row twice and a foreign row are told apart', () => {
    const result = compare(['a', 'b', 'c'], ['b', 'b', 'c', 'x'])
    expect(result).toMatchObject({ lost: 1n, duplicated: 2n })
    const found = result.differences.first.map(({ class: kind, key }) => `${kind} ${key.row}`)
    expect(found.sort()).toEqual(['row-missing a', 'row-unexpected b', 'row-unexpected x'])
  })

  test('an empty table has lost everything', () => {
    expect(compare(['a', 'a', 'b'], [])).toMatchObject({ lost: 3n, duplicated: 0n })
  })

  test('a row changed into another one of the same bucket is found although the numbers agree', () => {
    const bucketOf = (row: string) => createHash('sha1').update(row).digest('hex').slice(0, 4)
    const rows = Array.from({ length: 2_000 }, (_, i) => `row ${i}`)
    const first = new Map(rows.map((row) => [bucketOf(row), row]))
    const twin = rows.find((row) => first.get(bucketOf(row)) !== row)
    const other = first.get(bucketOf(twin ?? ''))
    if (twin === undefined || other === undefined) throw new Error('2,000 rows share a bucket somewhere')
    expect(compare([twin], [other])).toMatchObject({ lost: 1n, duplicated: 1n })
  })

  test('one row changed into another is one lost and one too many', () => {
    expect(compare(['a', 'b'], ['a', 'c'])).toMatchObject({ lost: 1n, duplicated: 1n })
  })
})

const rows = fc.array(fc.nat(12).map(String), { maxLength: 40 })

test('for any two multisets lost and duplicated are exact', () => {
  fc.assert(
    fc.property(rows, rows, (expected, actual) => {
      const count = (side: string[], row: string) => side.filter((other) => other === row).length
      let [lost, duplicated] = [0, 0]
      for (const row of new Set([...expected, ...actual])) {
        lost += Math.max(0, count(expected, row) - count(actual, row))
        duplicated += Math.max(0, count(actual, row) - count(expected, row))
      }
      expect(compare(expected, actual)).toMatchObject({ lost: BigInt(lost), duplicated: BigInt(duplicated) })
    }),
  )
})

test('beyond the memory bound rows are still counted, at least by their balance', () => {
  const expected = Array.from({ length: 5_000 }, (_, i) => `row ${i}`)
  const result = compare(expected, expected.slice(0, 1_000), 10)
  expect(result.lost).toBe(4_000n)
  expect(result.duplicated).toBe(0n)
  expect(result.differences.total).toBeLessThanOrEqual(10)
  expect(result.differences.total).toBeGreaterThan(0)
})
