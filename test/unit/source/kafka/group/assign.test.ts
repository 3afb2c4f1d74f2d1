import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type TopicPartition, topicPartitionKey } from '../../../../../src/model/topic-partition.ts'
import { assignPartitions } from '../../../../../src/source/kafka/group/assign.ts'
import {
  type MemberData,
  type WantedTopic,
  wantedPartitions,
} from '../../../../../src/source/kafka/group/member-data.ts'

type Group = ReadonlyMap<string, MemberData>

const member = (
  wants: readonly WantedTopic[],
  owned: readonly TopicPartition[] = [],
  generation = owned.length > 0 ? 5 : -1,
): MemberData => ({ wants, owned, generation })

const orders = (partitions: number | readonly number[]): WantedTopic[] => [{ topic: 'orders', partitions }]
const of = (...partitions: number[]): TopicPartition[] =>
  partitions.map((partition) => ({ topic: 'orders', partition }))

const keysOf = (partitions: Iterable<TopicPartition> | undefined) =>
  [...(partitions ?? [])].map(topicPartitionKey)

function assigned(group: Group): Record<string, string[]> {
  return Object.fromEntries([...assignPartitions(group).members].map(([id, tps]) => [id, keysOf(tps)]))
}

/** Joins again and again, each time owning what was assigned, until nothing changes. */
function settle(start: Group): { readonly group: Group; readonly rounds: number } {
  let group = start
  for (let rounds = 0; ; rounds++) {
    const { members, awaited } = assignPartitions(group)
    const next = new Map(
      [...group].map(([id, m]) => [id, { ...m, owned: members.get(id) ?? [], generation: 9 + rounds }]),
    )
    const isSame = [...next].every(([id, m]) => `${keysOf(m.owned)}` === `${keysOf(group.get(id)?.owned)}`)
    if (isSame) {
      expect([...awaited]).toEqual([])
      return { group, rounds }
    }
    group = next
  }
}

/** Random groups that want the same, and own any share of it without conflict. */
const sameWants = fc
  .record({
    members: fc.integer({ min: 1, max: 7 }),
    topics: fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 4 }),
  })
  .chain(({ members, topics }) => {
    const wants = topics.map((partitions, i): WantedTopic => ({ topic: `t${i}`, partitions }))
    const all = wantedPartitions(wants)
    return fc.record({
      wants: fc.constant(wants),
      all: fc.constant(all),
      members: fc.constant(members),
      // -1: nobody has it.
      owners: fc.array(fc.integer({ min: -1, max: members - 1 }), {
        minLength: all.length,
        maxLength: all.length,
      }),
    })
  })
  .map(({ wants, all, members, owners }) => {
    const group = new Map(
      Array.from({ length: members }, (_, i) => [
        `m${i}`,
        member(
          wants,
          all.filter((_tp, p) => owners[p] === i),
          5,
        ),
      ]),
    )
    return { group, all }
  })

/** Random groups in which everybody wants something else. */
const differentWants = fc
  .array(fc.uniqueArray(fc.integer({ min: 0, max: 11 }), { maxLength: 12 }), { minLength: 1, maxLength: 6 })
  .map(
    (selections): Group =>
      new Map(
        selections.map((partitions, i) => [`m${i}`, member(partitions.length > 0 ? orders(partitions) : [])]),
      ),
  )

describe('assignPartitions', () => {
  test('gives one member everything, and every topic evenly to several', () => {
    expect(assigned(new Map([['a', member(orders(3))]]))).toEqual({ a: ['orders/0', 'orders/1', 'orders/2'] })
    const wants = [...orders(3), { topic: 'payments', partitions: 3 }]
    expect(assigned(new Map(['a', 'b', 'c'].map((id) => [id, member(wants)])))).toEqual({
      a: ['orders/0', 'payments/0'],
      b: ['orders/1', 'payments/1'],
      c: ['orders/2', 'payments/2'],
    })
  })

  test('a newcomer gets nothing before the owner has joined again without it, and only as much as is even', () => {
    const first = new Map([
      ['a', member(orders(4), of(0, 1, 2, 3))],
      ['b', member(orders(4))],
    ])
    const { members, awaited } = assignPartitions(first)
    expect([...awaited]).toEqual(['a'])
    const kept = members.get('a') ?? []
    expect(kept).toHaveLength(2)
    expect(members.get('b')).toEqual([])
    const second = new Map([
      ['a', member(orders(4), kept, 6)],
      ['b', member(orders(4), [], 6)],
    ])
    const then = assignPartitions(second)
    expect([...then.awaited]).toEqual([])
    expect(then.members.get('a')).toEqual(kept)
    expect(then.members.get('b')).toHaveLength(2)
  })

  test('a member that has missed a generation owns nothing: what it had is free at once', () => {
    const group = new Map([
      ['late', member(orders(4), of(0, 1, 2, 3), 4)],
      ['present', member(orders(4), [], 5)],
    ])
    const { members, awaited } = assignPartitions(group)
    expect([...awaited]).toEqual([])
    expect([...members.values()].map((tps) => tps.length)).toEqual([2, 2])
  })

  test('what two members hold goes to nobody before both have let go of it', () => {
    const group = new Map([
      ['a', member(orders(2), of(0, 1))],
      ['b', member(orders(2), of(1))],
    ])
    const { members, awaited } = assignPartitions(group)
    expect(keysOf([...members.values()].flat())).toEqual(['orders/0'])
    expect([...awaited].sort()).toEqual(['a', 'b'])
  })

  test('an owner that no longer reads a partition gives it up first, and one that nobody reads goes to nobody', () => {
    const group = new Map([
      ['a', member(orders([0]), of(0, 1, 2))],
      ['b', member(orders([1]))],
    ])
    expect(assigned(group)).toEqual({ a: ['orders/0'], b: [] })
    expect(assigned(settle(group).group)).toEqual({ a: ['orders/0'], b: ['orders/1'] })
  })

  test('a chain of moves evens out where no single one would', () => {
    const group = new Map([
      ['a', member(orders([0, 1, 2, 3]), of(0, 1, 2, 3))],
      ['b', member(orders([3, 4, 5]), of(4, 5))],
      ['c', member(orders([4, 5]))],
    ])
    const { group: settled } = settle(group)
    expect([...settled.values()].map(({ owned }) => owned.length)).toEqual([3, 2, 1])
  })

  test('same wants: everything has one owner, evenly, after two rounds, and as few move as that takes', () => {
    fc.assert(
      fc.property(sameWants, ({ group, all }) => {
        const { group: settled, rounds } = settle(group)
        const loads = [...settled.values()].map(({ owned }) => owned.length)
        expect(keysOf([...settled.values()].flatMap(({ owned }) => owned)).sort()).toEqual(keysOf(all).sort())
        expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1)
        expect(rounds).toBeLessThanOrEqual(2)
        const moved = [...group].flatMap(([id, { owned }]) => {
          const kept = new Set(keysOf(settled.get(id)?.owned))
          return keysOf(owned).filter((key) => !kept.has(key))
        })
        expect(moved.length).toBe(fewestMoves(group, all.length))
      }),
    )
  })

  test('nothing is ever granted that somebody else still holds, and members agree whoever leads', () => {
    fc.assert(
      fc.property(sameWants, ({ group }) => {
        const { members } = assignPartitions(group)
        for (const [id, granted] of members) {
          const others = [...group]
            .filter(([other]) => other !== id)
            .flatMap(([, { owned }]) => keysOf(owned))
          expect(keysOf(granted).filter((key) => others.includes(key))).toEqual([])
        }
        expect(assignPartitions(new Map([...group].reverse())).members).toEqual(members)
      }),
    )
  })

  test('different wants: each gets only what it wants, nothing is left, and no move would even it out more', () => {
    fc.assert(
      fc.property(differentWants, (start) => {
        const { group } = settle(start)
        const wanted = new Map(
          [...group].map(([id, { wants }]) => [id, new Set(keysOf(wantedPartitions(wants)))]),
        )
        const loads = new Map([...group].map(([id, { owned }]) => [id, owned.length]))
        const all = new Set([...wanted.values()].flatMap((keys) => [...keys]))
        expect(keysOf([...group.values()].flatMap(({ owned }) => owned)).sort()).toEqual([...all].sort())
        for (const [id, { owned }] of group) {
          for (const key of keysOf(owned)) {
            expect(wanted.get(id)?.has(key)).toBe(true)
            for (const [other, keys] of wanted) {
              if (keys.has(key)) expect((loads.get(id) ?? 0) - (loads.get(other) ?? 0)).toBeLessThanOrEqual(1)
            }
          }
        }
      }),
    )
  })
})

/** What the fullest must give up so that nobody has more than one more than another. */
function fewestMoves(group: Group, partitions: number): number {
  const loads = [...group.values()].map(({ owned }) => owned.length).sort((a, b) => b - a)
  const [floor, more] = [Math.floor(partitions / loads.length), partitions % loads.length]
  return loads.reduce((moves, load, i) => moves + Math.max(0, load - floor - (i < more ? 1 : 0)), 0)
}
