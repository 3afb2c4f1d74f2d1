import { describe, expect, test } from 'vitest'
import { type RunResult, tally, tallyLine } from '../../support/tally.ts'

interface Shape {
  readonly states?: readonly string[]
  readonly fileErrors?: number
  readonly suiteErrors?: number
}

function run(files: readonly Shape[], rest: Partial<RunResult> = {}): RunResult {
  const errors = (count = 0) => Array.from({ length: count }, () => new Error('made up'))
  const modules = files.map(({ states = [], fileErrors, suiteErrors }) => ({
    errors: () => errors(fileErrors),
    children: {
      allTests: () => states.map((state) => ({ result: () => ({ state }) })),
      allSuites: () => [{ errors: () => errors(suiteErrors) }],
    },
  }))
  return { modules, unhandledErrors: [], passed: true, filteredByName: false, ...rest }
}

const line = (result: RunResult) => `${tallyLine(tally(result))} ${tally(result).ok ? 'ok' : 'red'}`

describe('the tally of a run', () => {
  test.each<[string, RunResult, string]>([
    ['all passed', run([{ states: ['passed', 'passed'] }]), 'Tests: 2 passed, 0 failed ok'],
    ['a failed test', run([{ states: ['passed', 'failed'] }]), 'Tests: 1 passed, 1 failed red'],
    ['a file that does not load', run([{ fileErrors: 1 }]), 'Tests: 0 passed, 1 failed red'],
    ['a failed hook', run([{ states: ['passed'], suiteErrors: 1 }]), 'Tests: 1 passed, 1 failed red'],
    [
      'an error outside of tests',
      run([{ states: ['passed'] }], { unhandledErrors: [1] }),
      'Tests: 1 passed, 1 failed red',
    ],
    ['a test that never ran', run([{ states: ['passed', 'pending'] }]), 'Tests: 1 passed, 1 failed red'],
    ['a skipped test', run([{ states: ['passed', 'skipped'] }]), 'Tests: 1 passed, 0 failed, 1 skipped red'],
    [
      'a run that asked for one by name',
      run([{ states: ['passed', 'skipped'] }], { filteredByName: true }),
      'Tests: 1 passed, 0 failed, 1 skipped ok',
    ],
    ['no tests at all', run([]), 'Tests: 0 passed, 1 failed red'],
    [
      'a runner that says failed',
      run([{ states: ['passed'] }], { passed: false }),
      'Tests: 1 passed, 1 failed red',
    ],
  ])('%s', (_, result, expected) => {
    expect(line(result)).toBe(expected)
  })
})
