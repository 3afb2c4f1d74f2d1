import { describe, expect, test } from 'vitest'
import { History } from '../../../src/chaos/history.ts'

const commit = (records: number) =>
  ({ kind: 'commit', life: 'a#1', batchId: `b${records}`, records, ranges: [] }) as const

describe('a history', () => {
  test('counts faults by nemesis, commits and their records', () => {
    const history = new History()
    history.add({ kind: 'fault', nemesis: 'kill', detail: '' })
    history.add({ kind: 'fault', nemesis: 'kill', detail: '' })
    history.add({ kind: 'fault', nemesis: 'pause', detail: '' })
    history.add(commit(3))
    history.add(commit(4))
    expect([...history.faults]).toEqual([
      ['kill', 2],
      ['pause', 1],
    ])
    expect([history.faultCount, history.commits, history.records]).toEqual([3, 2, 7])
  })

  test('tells listeners of every entry, with a time that never falls', () => {
    const history = new History()
    const heard: number[] = []
    const stop = history.listen(({ atMs }) => heard.push(atMs))
    history.add(commit(1))
    history.add({ kind: 'phase', name: 'faults' })
    stop()
    history.add(commit(2))
    expect(heard).toHaveLength(2)
    expect(heard[1]).toBeGreaterThanOrEqual(heard[0] ?? Number.POSITIVE_INFINITY)
  })

  test('finds the faults shortly before a moment, the nearest first, and none that came after it', () => {
    const history = new History()
    const first = history.add({ kind: 'fault', nemesis: 'kill', detail: 'first' })
    const second = history.add({ kind: 'fault', nemesis: 'reset', detail: 'second' })
    const names = (atMs: number, withinMs: number) =>
      history.faultsBefore(atMs, withinMs).map(({ detail }) => detail)
    expect(names(second.atMs, 1_000)).toEqual(['second', 'first'])
    expect(names(first.atMs - 1, 1_000)).toEqual([])
    expect(names(second.atMs + 5_000, 1_000)).toEqual([])
  })
})
