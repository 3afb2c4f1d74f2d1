import { describe, expect, test } from 'vitest'
import { deadLetter, poisonPolicyOf } from '../../../src/job/poison.ts'

test('a policy that sets records aside has every default resolved, and cannot be changed', () => {
  expect(deadLetter()).toEqual({
    kind: 'deadLetter',
    maxPerBatch: 100,
    maxPerWindow: 1_000,
    windowMs: 3_600_000,
  })
  expect(Object.isFrozen(deadLetter())).toBe(true)
  expect(deadLetter({ maxPerBatch: 5, windowMs: undefined }).maxPerBatch).toBe(5)
})

describe('what cannot be a budget is refused', () => {
  test.each([
    [{ maxPerBatch: 0 }, /maxPerBatch must be an integer from 1 to 1000, but is 0/],
    [{ maxPerBatch: 1_001 }, /maxPerBatch must be an integer from 1 to 1000/],
    [{ maxPerWindow: 1.5 }, /maxPerWindow must be an integer from 1 to 1000000, but is 1.5/],
    [{ windowMs: 999 }, /windowMs must be an integer from 1000 to 2592000000/],
    [{ windowMs: '1 hour' }, /windowMs must be .* but is the string "1 hour"/],
    [{ maxPerBatch: 50, maxPerWindow: 20 }, /maxPerWindow \(20\) must not be less than maxPerBatch \(50\)/],
    [{ max: 1 }, /there is no option max: there are maxPerBatch, maxPerWindow, windowMs/],
    [7, /it takes an options object, but got 7/],
  ])('%j', (options, message) => {
    expect(() => deadLetter(options as never)).toThrow(message)
  })
})

test('the option of a job is fail, or what deadLetter() gives, and nothing else', () => {
  expect(poisonPolicyOf(undefined)).toEqual({ kind: 'fail' })
  expect(poisonPolicyOf('fail')).toEqual({ kind: 'fail' })
  const policy = deadLetter({ maxPerBatch: 3 })
  expect(poisonPolicyOf(policy)).toEqual(policy)
  for (const wrong of ['deadLetter', null, deadLetter, {}, { kind: 'fail' }]) {
    expect(poisonPolicyOf(wrong)).toBeNull()
  }
  expect(() => poisonPolicyOf({ kind: 'deadLetter', maxPerBatch: -1 })).toThrow(/maxPerBatch/)
})
