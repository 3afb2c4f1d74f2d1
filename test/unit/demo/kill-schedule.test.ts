import { expect, test } from 'vitest'
import { type KillMoment, killMoments } from '../../../src/demo/kill-schedule.ts'
import { SeededRandom } from '../../../src/runtime/seeded-random.ts'

function moments(seed: number, count: number): KillMoment[] {
  const all = killMoments(new SeededRandom(seed))
  return Array.from({ length: count }, () => all.next().value)
}

test('a seed repeats its moments', () => {
  expect(moments(1, 30)).toEqual(moments(1, 30))
  expect(moments(1, 30)).not.toEqual(moments(2, 30))
})

test('the first life is left to commit something', () => {
  for (let seed = 0; seed < 100; seed++) expect(moments(seed, 1)[0]?.kind).toBe('working')
})

test('lives end while starting, right after the first commit, and later between commits', () => {
  const all = moments(3, 300)
  const working = all.flatMap((moment) => (moment.kind === 'working' ? [moment] : []))
  expect(working.length).toBeLessThan(all.length)
  expect(working.some(({ commits, afterMs }) => commits === 1 && afterMs === 0)).toBe(true)
  expect(working.some(({ commits, afterMs }) => commits > 1 && afterMs > 0)).toBe(true)
  // Two lives in a row that commit nothing would be one start too many.
  expect(all.every((moment, i) => moment.kind === 'working' || all[i + 1]?.kind !== 'starting')).toBe(true)
})
