import { parseArgs } from 'node:util'
import { asError, OncesinkError } from '../../errors.ts'
import { type Engine, engines } from '../../services/index.ts'
import { type FigureName, figureNames, figures, type Selection } from './figures.ts'

/** What is run beside the campaigns on real services. */
export const besideNames = ['simulation', 'mutants'] as const
export type BesideName = (typeof besideNames)[number]

export interface ChaosOptions extends Selection {
  readonly beside: readonly BesideName[]
  readonly seed: number
  /** Infinity with `--long`, unless it was given. */
  readonly minutes: number
  readonly json: boolean
}

const DEFAULT_MINUTES = 30
const MAX_SEED = 2 ** 32 - 1
const all = [...figureNames, ...besideNames]

const rows = figures.map(
  ({ name, title, target, longTarget }) =>
    `  ${name.padEnd(16)}${title.padEnd(52)}${String(target).padStart(7)}${String(longTarget).padStart(9)}`,
)

export const helpText = `npm run test:chaos -- [options]

Starts real brokers and databases, injects faults while jobs run, counts them, and lets the checker look for records
that were lost or counted twice. Wrong ways to do it are run beside, and have to be caught.

  --only <names>      comma-separated, of: ${all.join(', ')} (default all)
  --engine <names>    comma-separated, of: ${engines.join(', ')} (default all)
  --scale <factor>    of every target, such as 0.01 for a quick look (default 1)
  --seed <n>          repeats the choice of faults and moments; what they meet is real and differs (default random, printed)
  --minutes <n>       time for all of it (default ${DEFAULT_MINUTES}; with --long none)
  --long              the larger targets; takes hours
  --json              the report as one JSON object on standard output, as the last line
  --help              print this

                                                                       target   --long
${rows.join('\n')}

Exit codes: 0 everything was reached and nothing was lost or repeated; 1 could not be run; 2 wrong options;
4 violation; 5 inconclusive (a target was not reached, something could not be checked, or it was interrupted).

Ctrl-C ends the jobs, checks and prints what was reached until then, and ends the servers; once more ends all of it at
once, with exit code 130.

Servers: those of ONCESINK_KAFKA_BROKERS and ONCESINK_POSTGRES_URL (_MYSQL_URL, _MARIADB_URL), else Docker, else processes
of this machine. Servers that are killed are always processes of this machine.
`

/**
 * @param randomSeed used where no --seed is given
 * @returns null when help was asked for
 * @throws OncesinkError CONFIGURATION_INVALID
 */
export function parseOptions(args: readonly string[], randomSeed: () => number): ChaosOptions | null {
  const values = parse(args)
  if (values.help) return null
  const only = names('--only', values.only, all)
  const long = values.long ?? false
  return {
    only: only.filter((name): name is FigureName => figureNames.some((figure) => figure === name)),
    beside: only.filter((name): name is BesideName => besideNames.some((beside) => beside === name)),
    engines: names<Engine>('--engine', values.engine, engines),
    scale: number('--scale', values.scale, 0.000_001, 1_000) ?? 1,
    seed: Math.floor(number('--seed', values.seed, 0, MAX_SEED) ?? randomSeed()),
    minutes:
      number('--minutes', values.minutes, 0.1, 1e6) ?? (long ? Number.POSITIVE_INFINITY : DEFAULT_MINUTES),
    long,
    json: values.json ?? false,
  }
}

function parse(args: readonly string[]) {
  try {
    const options = {
      only: { type: 'string' },
      engine: { type: 'string' },
      scale: { type: 'string' },
      seed: { type: 'string' },
      minutes: { type: 'string' },
      long: { type: 'boolean' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    } as const
    return parseArgs({ args: [...args], options }).values
  } catch (error) {
    throw invalid(asError(error).message)
  }
}

function names<Name extends string>(
  option: string,
  text: string | undefined,
  known: readonly Name[],
): readonly Name[] {
  if (text === undefined) return known
  const given = text.split(',').map((name) => name.trim())
  const wrong = given.find((name) => !known.some((candidate) => candidate === name))
  if (wrong !== undefined) throw invalid(`${option} may name ${known.join(', ')}, not '${wrong}'`)
  return known.filter((name) => given.includes(name))
}

function number(option: string, text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined) return undefined
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw invalid(`${option} must be a number from ${min} to ${max}, not '${text}'`)
}

function invalid(message: string): OncesinkError {
  return new OncesinkError('CONFIGURATION_INVALID', `${message} (--help shows what there is)`)
}
