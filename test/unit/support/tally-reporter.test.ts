import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'

const root = join(import.meta.dirname, '..', '..', '..')
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
const folders: string[] = []

/** Runs the real runner, with the reporter, in a folder that holds just these files. */
function runVitest(files: Readonly<Record<string, string>>) {
  // Inside the repository, where `vitest` can be imported.
  mkdirSync(join(root, '.cache'), { recursive: true })
  const folder = mkdtempSync(join(root, '.cache', 'reporter-'))
  folders.push(folder)
  const config = `
    import { TallyReporter } from ${JSON.stringify(join(root, 'test', 'support', 'tally-reporter.ts'))}
    export default {
      test: { reporters: ['default', new TallyReporter()], globalSetup: ['set-up.ts'], fileParallelism: false },
    }`
  const setUp = `export default () => () => console.log('torn down')`
  for (const [name, text] of Object.entries({ 'vitest.config.ts': config, 'set-up.ts': setUp, ...files })) {
    writeFileSync(join(folder, name), `import { beforeAll, describe, test } from 'vitest'\n${text}`)
  }
  const result = spawnSync(process.execPath, [vitest, 'run', '--root', folder], { encoding: 'utf8' })
  return { exitCode: result.status, lastLine: result.stdout.trimEnd().split('\n').at(-1) }
}

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

test('passing tests end with the line and exit code 0', { timeout: 60_000 }, () => {
  expect(runVitest({ 'a.test.ts': `test('a', () => {})` })).toEqual({
    exitCode: 0,
    lastLine: 'Tests: 1 passed, 0 failed',
  })
})

test('whatever goes wrong is counted, and the exit code is red', { timeout: 60_000 }, () => {
  const files = {
    'collect.test.ts': `throw new Error('while loading')`,
    'empty.test.ts': '',
    'fails.test.ts': `test('a', () => {}); test('b', () => { throw new Error('b') })`,
    'hook.test.ts': `describe('c', () => { beforeAll(() => { throw new Error('c') }); test('d', () => {}) })`,
    'late.test.ts': `test('e', () => {}); void Promise.reject(new Error('outside of tests'))`,
  }
  expect(runVitest(files)).toEqual({ exitCode: 1, lastLine: 'Tests: 2 passed, 5 failed, 1 skipped' })
})

test('a skipped test alone makes the exit code red', { timeout: 60_000 }, () => {
  const files = { 'a.test.ts': `test('a', () => {}); test.skip('b', () => {})` }
  expect(runVitest(files)).toEqual({ exitCode: 1, lastLine: 'Tests: 1 passed, 0 failed, 1 skipped' })
})

test.each([
  ['fails', `throw new Error('no services')`],
  ['ends the runner, and claims success', 'process.exit(0)'],
])('a run whose global set-up %s is a failure', { timeout: 60_000 }, (_, setUp) => {
  const files = { 'a.test.ts': `test('a', () => {})`, 'set-up.ts': `export default () => { ${setUp} }` }
  expect(runVitest(files)).toEqual({ exitCode: 1, lastLine: 'Tests: 0 passed, 1 failed' })
})
