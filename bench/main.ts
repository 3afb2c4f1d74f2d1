/*
 * Runs the benchmarks of docs/performance.md. `npm run bench -- --help` says how.
 */
import { mkdirSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type Engine, engines } from '../src/services/index.ts'
import { measure } from './measure.ts'
import { table } from './report.ts'
import { wholeNumber } from './rig.ts'
import type { Suite } from './suite.ts'
import { suites } from './suites.ts'

const usage = `Usage: npm run bench -- [suite ...] [options]

Measures workloads against what they could cost at best and what users would write by hand. Every row is a ratio inside
one run; what is written to the database is checked after every run, and a wrong total ends the benchmark.

Suites (default: all):
${suites.map(({ name, title }) => `  ${name.padEnd(12)} ${title}`).join('\n')}

Options:
  --engine <name>    postgres, mysql or mariadb (default: the suite's own)
  --runs <n>         turns of every case and what it is measured against (default 5)
  --records <n>      records of a workload (default 2000000); w1, growth and exactly-once take four times as many,
                     memory five times
  --json             the last line of standard output is one JSON object with every row
  --profile [--profile-dir <folder>]
                     writes a CPU profile of every run of a job (default folder: bench-profiles)
  --help

With the defaults all suites together take about half an hour on two quiet cores (most of it exactly-once, growth and
memory), w1 alone about two minutes. To see only that everything works: --records 4000 --runs 1, half a minute. Some suites
take fewer turns than --runs says, exactly-once four times as many.

Servers are those of ONCESINK_KAFKA_BROKERS, ONCESINK_POSTGRES_URL and so on, else Docker's, else processes of this
machine that are started and ended here. Exit code 1 when a target is missed or a result is wrong.`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    engine: { type: 'string' },
    runs: { type: 'string', default: '5' },
    records: { type: 'string', default: '2000000' },
    json: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    'profile-dir': { type: 'string', default: 'bench-profiles' },
    help: { type: 'boolean', default: false },
  },
})

const log = (message: string) => process.stderr.write(`${message}\n`)

function chosenSuites(): readonly Suite[] {
  if (positionals.length === 0) return suites
  return positionals.map((name) => {
    const suite = suites.find((known) => known.name === name)
    if (suite) return suite
    throw new Error(`there is no suite '${name}': there are ${suites.map((known) => known.name).join(', ')}`)
  })
}

function chosenEngine(suite: Suite): Engine {
  const { engine } = values
  if (engine === undefined) return suite.engines[0] ?? 'postgres'
  if (!engines.some((known) => known === engine)) {
    throw new Error(`--engine must be one of ${engines.join(', ')}, not '${engine}'`)
  }
  if (suite.engines.some((known) => known === engine)) return engine as Engine
  throw new Error(`suite ${suite.name} does not run on ${engine}: it runs on ${suite.engines.join(', ')}`)
}

async function runSuite(suite: Suite) {
  const engine = chosenEngine(suite)
  const profileDir = values.profile ? resolve(values['profile-dir']) : null
  if (profileDir !== null) mkdirSync(profileDir, { recursive: true })
  const records = wholeNumber('--records', values.records)
  log(`${suite.name}: ${suite.title}, on ${engine}`)
  const open = await suite.open({ engine, records, profileDir, log })
  try {
    const runs = wholeNumber('--runs', values.runs)
    const result = await measure(open, suite.turns?.(runs) ?? runs, log)
    console.log(table(suite, engine, result))
    return { suite: suite.name, engine, ...result }
  } finally {
    await open.close()
  }
}

async function main(): Promise<void> {
  if (values.help) {
    console.log(usage)
    return
  }
  wholeNumber('--runs', values.runs)
  const results = []
  for (const suite of chosenSuites()) results.push(await runSuite(suite))
  if (results.some(({ rows }) => rows.some(({ met }) => met === false))) process.exitCode = 1
  if (!values.json) return
  const machine = {
    node: process.version,
    cpu: cpus()[0]?.model ?? '',
    cores: cpus().length,
    memoryMib: Math.round(totalmem() / 2 ** 20),
    os: `${process.platform} ${release()}`,
  }
  const { runs, records } = values
  const targets = results.flatMap(({ engine, rows }) =>
    rows.flatMap(({ id, target, value, met }) =>
      target === null ? [] : [{ id, engine, ratio: value.median, target, met }],
    ),
  )
  console.log(
    JSON.stringify({ machine, runs: Number(runs), records: Number(records), targets, suites: results }),
  )
}

main().catch((error: unknown) => {
  log(error instanceof Error ? (error.stack ?? error.message) : String(error))
  process.exitCode = 1
})
