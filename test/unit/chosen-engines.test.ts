import { expect, test } from 'vitest'
import { chosenEngines, engineNote } from '../support/chosen-engines.ts'
import { tallyLine } from '../support/tally.ts'

const all = ['postgres', 'mysql', 'mariadb']

test('integration tests run on every engine, and the last line has nothing to add', () => {
  expect(chosenEngines({})).toEqual(all)
  expect(engineNote(chosenEngines({}))).toBe('')
})

test('engines that ONCESINK_ENGINES leaves out are named in the last line', () => {
  const chosen = chosenEngines({ ONCESINK_ENGINES: 'mariadb, postgres' })
  expect(chosen).toEqual(['postgres', 'mariadb'])
  const line = tallyLine({ passed: 3, failed: 0, skipped: 0, ok: true }, engineNote(chosen))
  expect(line).toBe('Tests: 3 passed, 0 failed (not on mysql: ONCESINK_ENGINES)')
})

test.each([
  ['oracle', /names 'oracle'; it may name postgres, mysql, mariadb/],
  ['mysql', /postgres must be among them/],
])('ONCESINK_ENGINES=%s is refused', (text, message) => {
  expect(() => chosenEngines({ ONCESINK_ENGINES: text })).toThrow(message)
})
