import { describe, expect, test } from 'vitest'
import { collectPartials } from '../../../src/aggregation/collect.ts'
import { count } from '../../../src/aggregation/count.ts'
import { max } from '../../../src/aggregation/extreme.ts'
import { groupText } from '../../../src/aggregation/group-key.ts'
import type { PartialResult } from '../../../src/aggregation/partial-result.ts'
import type { KeyValue } from '../../../src/model/values.ts'
import type { Terminal } from '../../../src/pipeline/plan.ts'

const aggregate: Terminal = {
  kind: 'aggregate',
  keys: [{ name: 'item', select: (value) => value }],
  aggregates: [
    { name: 'orders', fn: count().fn },
    { name: 'last', fn: max((value: number) => value).fn },
  ],
}

function groups(...rows: [KeyValue, number, unknown][]): PartialResult {
  return {
    kind: 'groups',
    groups: new Map(rows.map(([key, ...states]) => [groupText([key]), { keys: [key], states }])),
  }
}

const rows: Terminal = { kind: 'rows' }

describe('collecting groups', () => {
  test('adds states of equal keys and keeps the others', () => {
    const collected = collectPartials(aggregate, [
      groups(['a', 1, 5], ['b', 2, 6]),
      groups(['b', 3, 4], ['c', 1, 1]),
    ])
    expect(collected).toEqual(groups(['a', 1, 5], ['b', 5, 6], ['c', 1, 1]))
  })

  test('leaves its inputs as they are, so that collecting them again gives the same', () => {
    const partials = [groups(['a', 1, 5]), groups(['a', 2, 6]), groups(['a', 3, null])]
    const before = structuredClone(partials)
    const first = structuredClone(collectPartials(aggregate, partials))
    expect(collectPartials(aggregate, partials)).toEqual(first)
    expect(partials).toEqual(before)
  })

  test('of nothing is no groups', () => {
    expect(collectPartials(aggregate, [])).toEqual(groups())
    expect(collectPartials(aggregate, [groups(), groups()])).toEqual(groups())
  })

  test('refuses keys that have another type in another partition', () => {
    const partials = [groups(['1', 1, 1]), groups(), groups([1, 1, 1])]
    expect(() => collectPartials(aggregate, partials)).toThrow(
      expect.objectContaining({
        code: 'JOB_FUNCTION_FAILED',
        message: expect.stringMatching(/'item' is a string .* a number/),
      }),
    )
  })

  test('names aggregate and group when states cannot be merged', () => {
    expect(() => collectPartials(aggregate, [groups(['a', 1, 1]), groups(['a', 1, new Date(1)])])).toThrow(
      expect.objectContaining({
        code: 'JOB_FUNCTION_FAILED',
        message: expect.stringMatching(/'last'.*"a".*one type/),
      }),
    )
  })
})

describe('collecting reduced values', () => {
  const terminal: Terminal = {
    kind: 'reduce',
    zero: () => '',
    add: () => '',
    merge: (a, b) => `${a}${b}`,
  }
  const reduced = (value: unknown): PartialResult => ({ kind: 'reduced', value })

  test('merges in the order given', () => {
    expect(collectPartials(terminal, [reduced('a'), reduced('b'), reduced('c')])).toEqual(reduced('abc'))
  })

  test('of nothing is zero', () => expect(collectPartials(terminal, [])).toEqual(reduced('')))

  test('a merge that throws is the job function at fault', () => {
    const failing: Terminal = {
      ...terminal,
      merge: () => {
        throw new Error('boom')
      },
    }
    expect(() => collectPartials(failing, [reduced(1), reduced(2)])).toThrow(
      expect.objectContaining({ code: 'JOB_FUNCTION_FAILED', message: expect.stringContaining('boom') }),
    )
  })
})

describe('collecting rows', () => {
  const origin = (offset: bigint) => ({ topic: 't', partition: 0, offset, timestampMs: 0 })

  test('keeps the order of partitions and the origin of each row', () => {
    const collected = collectPartials(rows, [
      { kind: 'rows', rows: ['a', ['nested']], metas: [origin(1n), origin(2n)] },
      { kind: 'rows', rows: ['c'], metas: [origin(9n)] },
    ])
    expect(collected).toEqual({
      kind: 'rows',
      rows: ['a', ['nested'], 'c'],
      metas: [origin(1n), origin(2n), origin(9n)],
    })
  })

  test('of more rows than a call takes arguments', () => {
    const many = (): PartialResult => ({
      kind: 'rows',
      rows: new Array<unknown>(200_000).fill(0),
      metas: null,
    })
    expect(collectPartials(rows, [many(), many()])).toMatchObject({ rows: { length: 400_000 }, metas: null })
  })
})

test('a partial result of another kind is a violated invariant', () => {
  expect(() => collectPartials(rows, [groups()])).toThrow(
    expect.objectContaining({ code: 'INVARIANT_VIOLATED' }),
  )
})
