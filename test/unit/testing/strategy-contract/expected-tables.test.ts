import { describe, expect, test } from 'vitest'
import { ContractLog, PARTITIONS } from '../../../../src/testing/strategy-contract/contract-log.ts'
import { differences, expectedTables } from '../../../../src/testing/strategy-contract/expected-tables.ts'
import { walkOfPairs } from '../../../../src/testing/strategy-contract/scenarios/exchanges.ts'

describe('what a scenario compares', () => {
  const entries = new ContractLog(1).append(40)
  const expected = expectedTables(entries)

  test('is every good record once, and poison as dead letters of its kind', () => {
    const poison = entries.filter((entry) => entry.poison !== undefined)
    expect(poison.map((entry) => entry.poison).sort()).toEqual([
      'rejected',
      ...Array(PARTITIONS).fill('throws'),
    ])
    expect(expected.witness).toHaveLength(40 - poison.length)
    expect(expected.deadLetters).toHaveLength(poison.length)
    expect(differences(expected, expected)).toEqual([])
  })

  test('names what is lost, repeated, or not due', () => {
    const [lost = '', repeated = '', ...others] = expected.witness
    const actual = { ...expected, witness: [repeated, repeated, 'x', ...others] }
    expect(differences(actual, expected)).toEqual([
      `witness: 2 times: ${repeated}, not due: x, lost: ${lost}`,
    ])
  })
})

test('a walk over all ordered pairs has each of them once', () => {
  const nodes = ['a', 'b', 'c', 'd']
  const walk = walkOfPairs(nodes)
  const pairs = walk.slice(1).map((node, i) => `${walk[i]}${node}`)
  const all = nodes.flatMap((from) => nodes.flatMap((to) => (from === to ? [] : `${from}${to}`)))
  expect(pairs.sort()).toEqual(all.sort())
})
