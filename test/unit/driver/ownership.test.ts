import { describe, expect, test } from 'vitest'
import { Ownership } from '../../../src/driver/ownership.ts'
import type { Claim } from '../../../src/model/claim.ts'

const claim = (partition: number, nextOffset: bigint): Claim => ({
  topic: 't',
  partition,
  nextOffset,
  epoch: 1n,
  claimId: 'c',
  incarnation: 0,
  seq: 0n,
  leaderEpoch: 0,
  topicId: 'id',
})
const result = (partition: number, from: bigint, until: bigint) => ({
  range: { topic: 't', partition, from, until },
  records: 1,
  lastOffset: until - 1n,
  deadLetters: [],
  bytes: 0,
  leaderEpoch: 0,
  computeMs: 0,
  partials: [],
})

describe('what the process knows of its positions', () => {
  test('a range that does not start at the committed position is a violated invariant, before anything is sent', () => {
    const ownership = new Ownership()
    ownership.claim([claim(0, 10n)])
    expect(() => ownership.claimsFor([result(0, 11n, 12n)])).toThrow(/committed up to 10/)
    expect(() => ownership.claimsFor([result(0, 9n, 12n)])).toThrow(/committed up to 10/)
    expect(ownership.claimsFor([result(0, 10n, 12n)])).toEqual([claim(0, 10n)])
  })

  test('a range of a partition that is not owned is a violated invariant', () => {
    const ownership = new Ownership()
    ownership.claim([claim(0, 0n)])
    ownership.remove([{ topic: 't', partition: 0 }])
    expect(() => ownership.claimsFor([result(0, 0n, 1n)])).toThrow(/not owned/)
  })

  test('an acknowledged range moves the position, remembers its leader epoch and counts the batch', () => {
    const ownership = new Ownership()
    ownership.claim([claim(1, 5n), claim(0, 0n)])
    ownership.advance([{ ...result(1, 5n, 9n), leaderEpoch: 3 }])
    expect(ownership.claims()).toEqual([claim(0, 0n), { ...claim(1, 9n), seq: 1n, leaderEpoch: 3 }])
  })

  test('the bounds of a run that ends are reached when every partition is at or past its own', () => {
    const ownership = new Ownership()
    ownership.claim([claim(0, 5n), claim(1, 9n)])
    expect(
      ownership.hasReached(
        new Map([
          ['t/0', 5n],
          ['t/1', 10n],
        ]),
      ),
    ).toBe(false)
    expect(
      ownership.hasReached(
        new Map([
          ['t/0', 5n],
          ['t/1', 9n],
        ]),
      ),
    ).toBe(true)
    expect(ownership.hasReached(new Map([['t/0', 4n]]))).toBe(true)
  })

  test('what was computed of a partition that was lost, or claimed anew, meanwhile is void; the rest is not', () => {
    const ownership = new Ownership()
    ownership.claim([claim(0, 0n), claim(1, 0n), claim(2, 0n)])
    const before = ownership.claims()
    ownership.remove([{ topic: 't', partition: 0 }])
    ownership.unclaim([{ topic: 't', partition: 1 }])
    ownership.claim([{ ...claim(1, 0n), claimId: 'another' }])
    const results = [result(0, 0n, 1n), result(1, 0n, 1n), result(2, 0n, 1n)]
    expect(ownership.stillOwned(before, results)).toEqual([result(2, 0n, 1n)])
  })

  test('a partition is unread until it was sought after its claim, and again once its claim is worth nothing', () => {
    const ownership = new Ownership()
    const tp = { topic: 't', partition: 0 }
    ownership.give([tp])
    expect([ownership.unread(), ownership.claims()]).toEqual([[tp], []])
    ownership.claim([claim(0, 0n)])
    expect([ownership.unread(), ownership.claims()]).toEqual([[tp], [claim(0, 0n)]])
    ownership.read([claim(0, 0n)])
    expect(ownership.unread()).toEqual([])
    ownership.unclaim([tp])
    expect([ownership.unread(), ownership.claims(), ownership.all()]).toEqual([[tp], [], [tp]])
    ownership.remove([tp])
    expect(ownership.all()).toEqual([])
  })
})
