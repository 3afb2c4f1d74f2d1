import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadJob } from '../../../src/job/load-job.ts'

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'oncesink-jobs-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function fileOf(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const names = 'defineJob, from, kafka, json, count, merge, postgres'
const definition = `defineJob({
  name: 'loaded',
  database: postgres({ connectionString: 'postgres://nobody@127.0.0.1:1/none' }),
  pipeline: from(kafka({ brokers: ['127.0.0.1:1'], topics: ['t'] })).decode(json())
    .groupBy({ k: (o) => o.k }).aggregate({ n: count() }).into(merge({ table: 't' })),
})`
const esm = `import { ${names} } from 'oncesink'\nexport default ${definition}\n`

describe('a job file', () => {
  test.each([
    ['job.ts', `interface Order { k: string }\nconst typed: Order = { k: 'a' }\nvoid typed\n${esm}`],
    ['job.mts', esm],
    ['job.js', esm],
    ['job.mjs', esm],
    ['job.cjs', `const { ${names} } = require('oncesink')\nmodule.exports = ${definition}\n`],
    ['transpiled.js', `const { ${names} } = require('oncesink')\nexports.default = ${definition}\n`],
  ])('may be %s', async (name, text) => {
    expect(await loadJob(fileOf(name, text))).toMatchObject({ name: 'loaded' })
  })

  test('tells the worker threads of its job where it is, unless the job says so itself', async () => {
    const threaded = (options: string) =>
      esm
        .replace('defineJob,', 'defineJob, workerThreads,')
        .replace(`name: 'loaded',`, `name: 'loaded', executor: workerThreads({ count: 2${options} }),`)
    const silent = fileOf('threads.ts', threaded(''))
    expect((await loadJob(silent)).executor).toMatchObject({ module: pathToFileURL(silent).href })
    const other = fileOf('other.ts', threaded(', module: import.meta.url'))
    expect((await loadJob(other)).executor).toMatchObject({ module: pathToFileURL(other).href })
    const elsewhere = fileOf('elsewhere.ts', `export { default } from './other.ts'`)
    expect((await loadJob(elsewhere)).executor).toMatchObject({ module: pathToFileURL(other).href })
  })
})

describe('what is no job file is refused, with what to do', () => {
  test.each([
    [
      'no-default.ts',
      'export const job = 1',
      /no-default.ts has no default export, and no job; write `export default/,
    ],
    ['number.ts', 'export default 5', /number.ts has 5 as its default export, and no job/],
    ['promise.ts', 'export default Promise.resolve(1)', /has 1 as its default export|has a Promise/],
    [
      'syntax.ts',
      'export default {\n  a: (\n}',
      /syntax.ts does not compile: Unexpected token .*syntax.ts:3:0/,
    ],
    [
      'throws.ts',
      "\n\nthrow new TypeError('boom')",
      /threw while it was loaded: TypeError: boom \(at .*throws.ts:3\)/,
    ],
    ['throws-text.ts', "throw 'just text'", /threw while it was loaded: Error: just text/],
    [
      'package.ts',
      "import 'not-there-at-all'\nexport default 1",
      /imports something that is not there: Cannot find module 'not-there-at-all'; install it beside the job file: npm install not-there-at-all/,
    ],
    [
      'path.ts',
      "import { x } from './gone.ts'\nexport default x",
      /Cannot find module '.\/gone.ts'; correct the path/,
    ],
    [
      'name.ts',
      "import { nosuch } from 'oncesink'\nexport default nosuch({})",
      /threw while it was loaded: TypeError: .*nosuch\)? is not a function/,
    ],
    [
      'options.ts',
      "import { defineJob } from 'oncesink'\nexport default defineJob({ name: '' })",
      /the job cannot be defined|job "" cannot be defined/,
    ],
  ])('%s', async (name, text, message) => {
    const failure = loadJob(fileOf(name, text))
    await expect(failure).rejects.toMatchObject({ code: 'CONFIGURATION_INVALID', exitCode: 2 })
    await expect(failure).rejects.toThrow(message)
  })

  test('a path where nothing is, and a folder', async () => {
    await expect(loadJob(join(folder, 'absent.ts'))).rejects.toThrow(
      /absent.ts does not exist; give the path/,
    )
    await expect(loadJob(folder)).rejects.toThrow(/is a folder; give the path of a job file/)
  })
})
