import { expect, test } from 'vitest'
import { Contention } from '../../../src/driver/contention.ts'

const [p0, p1] = [
  { topic: 't', partition: 0 },
  { topic: 't', partition: 1 },
]

test('the third fence of one partition within a minute is once too often, others do not count', () => {
  const contention = new Contention()
  expect(contention.fenced([p0, p1], 0)).toEqual([])
  expect(contention.fenced([p0], 30_000)).toEqual([])
  expect(contention.fenced([p0, p1], 59_000)).toEqual([p0])
})

test('fences that are a minute apart are not contention', () => {
  const contention = new Contention()
  for (let at = 0; at < 600_000; at += 31_000) expect(contention.fenced([p0], at)).toEqual([])
})

test('a partition that the group has given away begins anew', () => {
  const contention = new Contention()
  contention.fenced([p0], 0)
  contention.fenced([p0], 1)
  contention.forget([p0])
  expect(contention.fenced([p0], 2)).toEqual([])
})
