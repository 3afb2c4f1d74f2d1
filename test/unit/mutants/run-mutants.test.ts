import { expect, test } from 'vitest'
import { type Edit, type Mutant, simulation, unit } from '../../mutants/mutant.ts'
import { runMutants } from '../../mutants/run-mutants.ts'

const file = 'src/database/protocol/commit-batch.ts'
const find = 'if (matched !== ranges.length) {'
const harmless: Edit = { file, find, replace: 'if (ranges.length !== matched) {' }

function mutant(name: string, edit: Edit, killedBy: Mutant['killedBy']): Mutant {
  return { name, breaks: 'nothing', edits: [edit], killedBy }
}

test('only what its killer notices counts as killed', async () => {
  const { total, killed, survivors, results } = await runMutants({
    mutants: [
      mutant('harmless', harmless, simulation(5)),
      mutant('not there', { file, find: 'not to be found here', replace: '' }, simulation(5)),
      mutant('no code', { file, find, replace: '}' }, simulation(5)),
      mutant('no such test', harmless, unit('database/operation-gate.test.ts', 'a test that there is not')),
      mutant('real', { file, find, replace: 'if (matched > ranges.length) {' }, simulation(20)),
    ],
  })
  expect(results.map(({ mutant, outcome }) => [mutant.name, outcome])).toEqual([
    ['harmless', 'survived'],
    ['not there', 'invalid'],
    ['no code', 'invalid'],
    ['no such test', 'invalid'],
    ['real', 'killed'],
  ])
  expect({ total, killed, survivors }).toEqual({ total: 5, killed: 1, survivors: ['harmless'] })
  expect(results.map(({ by }) => by)[1]).toContain('occurs 0 times')
}, 120_000)
