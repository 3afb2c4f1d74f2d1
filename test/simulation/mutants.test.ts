import { describe, expect, test } from 'vitest'
import { isFast } from '../mutants/mutant.ts'
import { mutants } from '../mutants/mutants.ts'
import { runMutants } from '../mutants/run-mutants.ts'

const fast = mutants.filter(isFast)

/** All of them, with those that tests kill: `npm run test:mutants`. */
describe('a copy with one thing broken is found by the simulation', () => {
  test(`${fast.length} mutants`, async () => {
    const { results } = await runMutants({ mutants: fast })
    const left = results.filter(({ outcome }) => outcome !== 'killed')
    expect(left.map(({ mutant, by }) => `${mutant.name}: ${by}`)).toEqual([])
    expect(results.length).toBe(fast.length)
  }, 300_000)
})
