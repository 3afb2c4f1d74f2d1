import { availableParallelism } from 'node:os'
import { Command, InvalidArgumentError, Option } from 'commander'
import { type ControlName, controlNames } from './controls.ts'
import { printReport, progressLine } from './print-report.ts'
import { replayInThread, simulateSeeds } from './simulate.ts'

/*
 * The program behind `npm run test:simulation`. Exit codes: 0 nothing is wrong; 1 it could not run, or it has proven
 * nothing (a kind of fault never struck); 2 usage; 4 a seed has failed; 130 interrupted.
 */

const PROGRESS_EVERY_MS = 2_000
/** From this many seeds on every kind of fault must have struck. */
const ENOUGH_SEEDS = 2_000

interface Options {
  readonly seeds: number
  readonly from: number
  readonly seed?: number
  readonly only?: readonly number[]
  readonly workers: number
  readonly long?: boolean
  readonly stopAtFirst?: boolean
  readonly src?: string
  readonly control?: ControlName
  readonly json?: boolean
}

const whole = (text: string): number => {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('It must be a whole number.')
  return value
}
const numbers = (text: string): number[] => (text === 'none' ? [] : text.split(',').map(whole))

const program = new Command('test:simulation')
  .description(
    'Runs the real driver, strategies, claim, commit and membership over simulated databases, brokers and processes that\n' +
      'fail, one seed after another, and checks that every record counts exactly once. A seed that fails is minimised:\n' +
      'faults that it does not take are left out, and the rest is printed as a history.',
  )
  .option('--seeds <n>', 'how many seeds to run', whole, 10_000)
  .option('--from <seed>', 'the first of them', whole, 1)
  .option('--seed <seed>', 'run this one only, and print its history', whole)
  .option('--only <ids>', 'with --seed: keep these of its faults only, by number (1,4,7 or none)', numbers)
  .option('--workers <n>', 'threads', whole, Math.min(2, availableParallelism()))
  .option('--long', 'go on until interrupted (Ctrl-C), from --from on')
  .option('--stop-at-first', 'end with the first seed that fails')
  .option('--src <folder>', 'simulate another copy of src, or of its build (dist)')
  .addOption(
    new Option('--control <name>', 'simulate a wrong variant of the protocol, which must fail').choices(
      controlNames,
    ),
  )
  .option('--json', 'print the report as one JSON object, the last line of stdout')
  .addHelpText(
    'after',
    '\nExamples:\n' +
      '  npm run test:simulation -- --seeds 100000\n' +
      '  npm run test:simulation -- --seed 2450 --only 3,5\n' +
      '  npm run test:simulation -- --control epoch-only --stop-at-first\n' +
      '\nExit codes: 0 ok, 1 could not run or proved nothing, 2 usage, 4 a seed has failed, 130 interrupted.',
  )
  .configureOutput({ outputError: (text, write) => write(text) })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))

await main(program.parse().opts<Options>())

async function main(options: Options): Promise<void> {
  const { src, control = null } = options
  if (options.seed !== undefined) {
    const { text, fails } = await replayInThread(options.seed, { only: options.only ?? null, src, control })
    console.log(text)
    process.exitCode = fails ? 4 : 0
    return
  }
  const interrupted = new AbortController()
  process.once('SIGINT', () => {
    console.error('\nEnding: threads finish what they have begun. Once more ends at once.')
    interrupted.abort()
  })
  const startedAt = performance.now()
  let printedAt = startedAt
  const total = options.long ? Number.POSITIVE_INFINITY : options.seeds
  const report = await simulateSeeds({
    from: options.from,
    seeds: total,
    workers: options.workers,
    stopAtFirst: options.stopAtFirst ?? false,
    ...(src !== undefined && { src }),
    control,
    signal: interrupted.signal,
    onProgress: (tally) => {
      const now = performance.now()
      if (now - printedAt < PROGRESS_EVERY_MS && tally.seeds < total) return
      printedAt = now
      console.error(progressLine(tally, total, now - startedAt))
    },
  })
  if (options.json) console.log(JSON.stringify(report))
  else printReport(report)
  if (interrupted.signal.aborted) process.exitCode = 130
  else if (report.failures.length > 0) process.exitCode = 4
  else if (report.seeds >= ENOUGH_SEEDS && report.missingKinds.length > 0) process.exitCode = 1
}
