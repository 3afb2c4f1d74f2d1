import { describe, expect, test } from 'vitest'
import type { TopicPartition } from '../../../../../src/model/topic-partition.ts'
import { Holdings } from '../../../../../src/source/kafka/group/holdings.ts'

const t = (...partitions: number[]): TopicPartition[] =>
  partitions.map((partition) => ({ topic: 't', partition }))

function holding(...partitions: number[]): Holdings {
  const holdings = new Holdings()
  holdings.assign(t(...partitions), false)
  holdings.take()
  return holdings
}

describe('Holdings', () => {
  test('what is lost stays owned until it was taken, and then the leader is to hear of it', () => {
    const holdings = holding(0, 1)
    expect(holdings.hasChanges).toBe(false)
    holdings.assign(t(0), true)
    expect(holdings.hasChanges).toBe(true)
    expect(holdings.owned()).toEqual(t(0, 1))
    expect(holdings.isAwaitedForNothing).toBe(false)
    expect(holdings.take()).toEqual({ gained: [], lost: t(1) })
    expect(holdings.owned()).toEqual(t(0))
    expect(holdings.isAwaitedForNothing).toBe(true)
  })

  test('what is lost and assigned again before it was taken has never been lost', () => {
    const holdings = holding(0, 1)
    holdings.assign(t(0), true)
    holdings.assign(t(0, 1), false)
    expect(holdings.take()).toEqual({ gained: [], lost: [] })
  })

  test('what is gained and lost before it was taken is nobody’s business, but the leader is to hear of it', () => {
    const holdings = holding(0)
    holdings.assign(t(0, 1), false)
    holdings.assign(t(0), true)
    expect(holdings.hasChanges).toBe(false)
    expect(holdings.isAwaitedForNothing).toBe(true)
  })

  test('who comes back to what it was assigned while others wait for more has the leader hear of it', () => {
    const holdings = new Holdings()
    holdings.assign(t(0), true)
    expect(holdings.isAwaitedForNothing).toBe(true)
  })

  test('who was left out owns nothing, and what comes again is lost and gained', () => {
    const holdings = holding(0, 1)
    holdings.forfeit()
    expect(holdings.owned()).toEqual([])
    expect(holdings.isForfeited).toBe(true)
    holdings.assign(t(1, 2), false)
    expect(holdings.owned()).toEqual(t(1, 2))
    expect(holdings.take()).toEqual({ gained: t(1, 2), lost: t(0, 1) })
    expect(holdings.isForfeited).toBe(false)
  })
})
