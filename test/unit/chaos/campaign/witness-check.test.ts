import { describe, expect, test } from 'vitest'
import { WitnessCheck } from '../../../../src/chaos/campaign/witness-check.ts'
import { producedLog, recordAt } from '../../../../src/chaos/campaign/witness-log.ts'

const PARTITIONS = 3
const PRODUCED = 10

type Row = readonly [partition: number, offset: number, n: number]

/** The table that is right when everything has been committed. */
function rightTable(): Row[] {
  return Array.from({ length: PRODUCED }, (_, i) => {
    const { partition, offset, n } = recordAt(i, PARTITIONS)
    return [partition, offset, n]
  })
}

function checked(rows: readonly Row[], nextOffsets = [4, 3, 3]) {
  const check = new WitnessCheck(producedLog(PARTITIONS, PRODUCED))
  for (const row of rows) check.add(...row)
  return check.finish(nextOffsets)
}

test('the log of a topic has every record where it was produced', () => {
  const log = producedLog(PARTITIONS, PRODUCED)
  expect(log.lengths).toEqual([4, 3, 3])
  for (const [partition, offset, n] of rightTable()) expect(log.at(partition, offset)).toBe(n)
})

describe('a witness table', () => {
  test('with every record once is right, in whatever order its rows come', () => {
    const right = { expected: 10, lost: 0, duplicated: 0, findings: [] }
    expect(checked(rightTable())).toEqual(right)
    expect(checked(rightTable().reverse())).toEqual(right)
  })

  test('that lacks a row has lost that record', () => {
    const rows = rightTable().filter(([, , n]) => n !== 4)
    expect(checked(rows)).toEqual({
      expected: 10,
      lost: 1,
      duplicated: 0,
      findings: ['partition 1, offset 1 is in the table 0 times'],
    })
  })

  test('that has a row twice has counted that record twice', () => {
    expect(checked([...rightTable(), [2, 0, 2]])).toEqual({
      expected: 10,
      lost: 0,
      duplicated: 1,
      findings: ['partition 2, offset 0 is in the table 2 times'],
    })
  })

  test('has lost what is below a position that was moved forward, and repeats what is above one that was moved back', () => {
    const half = rightTable().filter(([partition, offset]) => partition !== 0 || offset < 2)
    expect(checked(half, [2, 3, 3])).toMatchObject({ expected: 8, lost: 0, duplicated: 0 })
    expect(checked(half, [3, 3, 3])).toMatchObject({ expected: 9, lost: 1, duplicated: 0 })
    expect(checked(half, [1, 3, 3])).toEqual({
      expected: 7,
      lost: 0,
      duplicated: 1,
      findings: ['partition 0, offset 1 is in the table, and the position is 1'],
    })
  })

  test('cannot make up for a lost record by another one that is there twice', () => {
    const rows = rightTable().map((row): Row => (row[2] === 4 ? [2, 0, 2] : row))
    expect(checked(rows)).toMatchObject({ lost: 1, duplicated: 1 })
  })

  test.each<[string, Row]>([
    ['a record at another offset', [0, 0, 3]],
    ['a partition that the log does not have', [7, 0, 0]],
    ['an offset beyond the log', [0, 9, 27]],
  ])('with %s is wrong', (_, row) => {
    const { duplicated, findings } = checked([...rightTable(), row])
    expect(duplicated).toBe(1)
    expect(findings).toEqual([
      expect.stringContaining(`partition ${row[0]}, offset ${row[1]}: the table has record`),
    ])
  })

  test('with a position beyond the end of the log is wrong', () => {
    expect(checked(rightTable(), [5, 3, 3])).toMatchObject({
      lost: 1,
      findings: [expect.stringContaining('ends at 4')],
    })
  })
})
