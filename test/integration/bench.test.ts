import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

/** The program as people run it, whatever it exits with: targets are missed on so few records. */
async function bench(...args: string[]): Promise<{ out: string; problems: string }> {
  const root = join(import.meta.dirname, '../..')
  const jiti = join(root, 'node_modules/jiti/lib/jiti-cli.mjs')
  return new Promise((resolve) => {
    execFile(process.execPath, [jiti, join(root, 'bench/main.ts'), ...args], (_, out, problems) =>
      resolve({ out, problems }),
    )
  })
}

test('measures W1 against everything that it is measured against, with exact totals', {
  timeout: 300_000,
}, async () => {
  const { out, problems } = await bench('w1', '--records', '8000', '--runs', '1', '--json')
  const last = out.trim().split('\n').at(-1) ?? ''
  expect(last, problems).toMatch(/^\{/)
  const { suites } = JSON.parse(last) as { suites: { rows: { id: string; value: { median: number } }[] }[] }
  const rows = suites[0]?.rows ?? []
  expect(rows.map(({ id }) => id)).toEqual([
    ...['none', 'lz4'].flatMap((codec) => [
      `w1.${codec}.json/JSON.parse`,
      `w1.${codec}.fields/read-ceiling`,
      `w1.${codec}.json/recipe`,
      `w1.${codec}.fields/recipe`,
    ]),
    'w1.none.json-with-a-filter/JSON.parse',
  ])
  for (const { value } of rows) expect(value.median).toBeGreaterThan(0)
})

test.each(['postgres', 'mysql', 'mariadb'])(
  'measures W2 into %s, with exactly the rows of the log',
  { timeout: 300_000 },
  async (engine) => {
    const { out, problems } = await bench(
      'w2',
      '--engine',
      engine,
      '--records',
      '4000',
      '--runs',
      '1',
      '--json',
    )
    const last = out.trim().split('\n').at(-1) ?? ''
    expect(last, problems).toMatch(/^\{/)
    const { suites } = JSON.parse(last) as { suites: { rows: { id: string; value: { median: number } }[] }[] }
    const rows = suites[0]?.rows ?? []
    expect(rows.map(({ id }) => id)).toEqual(
      engine === 'postgres'
        ? [
            'w2.default/recipe',
            'w2.repartitionToOne/file',
            'w2.perPartition/file',
            'w2.default/file',
            'w2.json/recipe',
          ]
        : ['w2.default/file', 'w2.repartitionToOne/file', 'w2.perPartition/file', 'w2.json/file'],
    )
    for (const { value } of rows) expect(value.median).toBeGreaterThan(0)
  },
)
// growth takes as many processes as all others together, and has nothing that they do not have.
test('measures everything else, with exact totals after every run', { timeout: 300_000 }, async () => {
  const names = ['w3', 'latency', 'restart', 'idle', 'exactly-once', 'parallel', 'memory']
  const { out, problems } = await bench(...names, '--records', '4000', '--runs', '1', '--json')
  const last = out.trim().split('\n').at(-1) ?? ''
  expect(last, problems).toMatch(/^\{/)
  const { suites, targets } = JSON.parse(last) as {
    suites: { suite: string }[]
    targets: { id: string; ratio: number; target: object; met: boolean }[]
  }
  expect(suites.map(({ suite }) => suite)).toEqual(names)
  expect(targets.map(({ id }) => id)).toEqual([
    ...['latency.p50', 'latency.p99', 'restart.all', 'restart.group', 'idle.all', 'idle.group'],
    ...['exactly-once.share', 'parallel.workers/inline'],
    ...['w1-json', 'w1-fields', 'w2'].flatMap((name) => [`memory.${name}.rss`, `memory.${name}.growth`]),
  ])
  for (const { ratio, met } of targets) expect([typeof ratio, typeof met]).toEqual(['number', 'boolean'])
})

test('says what there is, and what is wrong with how it is called', async () => {
  expect((await bench('--help')).out).toContain('--engine <name>')
  expect((await bench('w9')).problems).toContain("there is no suite 'w9'")
  expect((await bench('w1', '--engine', 'oracle')).problems).toContain('--engine must be one of')
  expect((await bench('w1', '--runs', '0')).problems).toContain('--runs must be a whole number')
})
