import { availableParallelism } from 'node:os'
import { Command, InvalidArgumentError } from 'commander'
import type { Mutant } from './mutant.ts'
import { mutants } from './mutants.ts'
import { type MutantResult, type MutantsReport, runMutants } from './run-mutants.ts'

/*
 * The program behind `npm run test:mutants`. Exit codes: 0 every mutant was killed; 1 it could not run, or some mutant
 * proves nothing (it does not apply, or its killer is red without it); 2 usage; 4 a mutant has survived; 130
 * interrupted.
 */

const PROGRESS_EVERY_MS = 10_000

interface Options {
  readonly only?: readonly string[]
  readonly workers: number
  readonly json?: boolean
  readonly list?: boolean
}

const program = new Command('test:mutants')
  .description(
    'Copies the project, breaks one thing in the copy, and runs the seeds of the simulation or the test that has to notice.\n' +
      'One mutant after another; nothing of this working copy is changed. Services that tests need are taken from\n' +
      'ONCESINK_KAFKA_BROKERS, ONCESINK_POSTGRES_URL, ONCESINK_MYSQL_URL and ONCESINK_MARIADB_URL, or started.',
  )
  .option('--only <text>', 'only mutants with this in their name; may be repeated', collect)
  .option('--workers <n>', 'mutants at a time', whole, Math.min(2, availableParallelism()))
  .option('--list', 'print the mutants, and what kills them, and run none')
  .option('--json', 'print the report as one JSON object, the last line of stdout')
  .addHelpText(
    'after',
    '\nExamples:\n' +
      '  npm run test:mutants\n' +
      '  npm run test:mutants -- --only "compare-and-set" --only canary\n' +
      '\nExit codes: 0 all killed, 1 could not run or proves nothing, 2 usage, 4 a mutant has survived, 130 interrupted.',
  )
  .configureOutput({ outputError: (text, write) => write(text) })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))

await main(program.parse().opts<Options>())

async function main(options: Options): Promise<void> {
  const chosen = chosenMutants(options.only)
  if (options.list) {
    for (const { name, breaks, killedBy } of chosen) console.log(`${name}: ${breaks} (${killerOf(killedBy)})`)
    return
  }
  const interrupted = new AbortController()
  process.once('SIGINT', () => {
    console.error('\nEnding: what is being run is ended, and copies are removed. Once more ends at once.')
    interrupted.abort()
  })
  const running = new Set<string>()
  const heartbeat = setInterval(() => {
    if (running.size > 0) console.error(`  running: ${[...running].join('; ')}`)
  }, PROGRESS_EVERY_MS)
  let report: MutantsReport
  try {
    report = await runMutants({
      mutants: chosen,
      workers: options.workers,
      signal: interrupted.signal,
      onStart: ({ name }) => running.add(name),
      onResult: (result, done, total) => {
        running.delete(result.mutant.name)
        console.error(`[${done}/${total}] ${line(result)}`)
      },
      onProgress: (message) => console.error(message),
    })
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error))
    process.exitCode = 1
    return
  } finally {
    clearInterval(heartbeat)
  }
  if (options.json) console.log(JSON.stringify(asJson(report)))
  else printReport(report)
  if (interrupted.signal.aborted) process.exitCode = 130
  else if (report.survivors.length > 0) process.exitCode = 4
  else if (report.killed < report.total) process.exitCode = 1
}

function chosenMutants(only: readonly string[] | undefined): readonly Mutant[] {
  if (!only) return mutants
  for (const text of only) {
    if (mutants.some(({ name }) => name.includes(text))) continue
    console.error(`no mutant has '${text}' in its name; see --list`)
    process.exit(2)
  }
  return mutants.filter(({ name }) => only.some((text) => name.includes(text)))
}

function line({ mutant, outcome, by, elapsedMs }: MutantResult): string {
  return `${outcome.padEnd(8)} ${mutant.name} (${(elapsedMs / 1_000).toFixed(1)} s): ${by}`
}

function printReport(report: MutantsReport): void {
  const width = Math.max(...report.results.map(({ mutant }) => mutant.name.length), 6)
  console.log(`${'mutant'.padEnd(width)}  ${'time'.padStart(7)}  killed by`)
  for (const { mutant, outcome, by, elapsedMs } of report.results) {
    const [first = ''] = (outcome === 'killed' ? by : `${outcome.toUpperCase()}: ${by}`).split('\n')
    console.log(
      `${mutant.name.padEnd(width)}  ${`${(elapsedMs / 1_000).toFixed(1)} s`.padStart(7)}  ${first}`,
    )
  }
  console.log(`\n${report.killed} of ${report.total} mutants killed`)
  if (report.survivors.length > 0) console.log(`survivors: ${report.survivors.join('; ')}`)
}

function asJson({ total, killed, survivors, results }: MutantsReport) {
  return {
    total,
    killed,
    survivors,
    results: results.map(({ mutant, outcome, by, elapsedMs }) => ({
      ...{ name: mutant.name, outcome, by },
      elapsedMs: Math.round(elapsedMs),
    })),
  }
}

function killerOf(killer: Mutant['killedBy']): string {
  return killer.kind === 'simulation' ? `simulation, ${killer.seeds} seeds` : `${killer.file}: ${killer.test}`
}

function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, text]
}

function whole(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('It must be a whole number from 1 on.')
  return value
}
