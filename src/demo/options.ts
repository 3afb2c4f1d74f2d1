import { parseArgs } from 'node:util'
import { asError, OncesinkError } from '../errors.ts'
import { type Engine, engines } from '../services/index.ts'

export interface DemoOptions {
  /** Orders to produce. */
  readonly records: number
  /** How often the job is killed after it has committed something. */
  readonly kills: number
  /** Decides the orders and the moments of the kills, 0 to 2^32 - 1. */
  readonly seed: number
  /** Leave Kafka and the database running after the proof, until Ctrl-C. */
  readonly keep: boolean
  readonly json: boolean
  readonly engine: Engine
}

export const DEFAULT_RECORDS = 200_000
export const DEFAULT_KILLS = 10
const MAX_RECORDS = 100_000_000
const MAX_KILLS = 10_000
const MAX_SEED = 2 ** 32 - 1
/** Every life of the job needs something to commit. */
const MIN_RECORDS_PER_LIFE = 20

export const helpText = `npm run demo -- [options]

Starts a real Kafka and a real database, produces orders, runs examples/orders/job.ts in a process of its own,
kills that process with SIGKILL again and again, and then proves that no order was lost and none was counted twice.

  --records <n>       orders to produce (default ${DEFAULT_RECORDS})
  --kills <n>         kills of a job that has committed something (default ${DEFAULT_KILLS})
  --seed <n>          repeats the orders and the moments of the kills (default: random, printed)
  --engine <name>     database: ${engines.join(', ')} (default postgres)
  --keep              leave everything running after the proof, to look around; Ctrl-C ends it
  --json              print one JSON object as the last line
  --help              print this

Exit codes: 0 proven, 1 failed to run, 2 wrong options, 4 lost or duplicated records.

Servers: those of ONCESINK_KAFKA_BROKERS and ONCESINK_POSTGRES_URL (_MYSQL_URL, _MARIADB_URL), else Docker, else processes of this machine.
`

/**
 * @param randomSeed used where no --seed is given
 * @returns null when help was asked for
 * @throws OncesinkError CONFIGURATION_INVALID
 */
export function parseOptions(args: readonly string[], randomSeed: () => number): DemoOptions | null {
  const { values } = parse(args)
  if (values.help) return null
  const named = values.engine ?? 'postgres'
  const engine = engines.find((name) => name === named)
  if (!engine) throw invalid(`--engine must be ${engines.join(', ')}, not '${named}'`)
  const kills = wholeNumber('--kills', values.kills, 1, MAX_KILLS) ?? DEFAULT_KILLS
  const minRecords = MIN_RECORDS_PER_LIFE * (kills + 1)
  const records =
    wholeNumber('--records', values.records, minRecords, MAX_RECORDS) ?? Math.max(DEFAULT_RECORDS, minRecords)
  const seed = wholeNumber('--seed', values.seed, 0, MAX_SEED) ?? randomSeed()
  return { records, kills, seed, engine, keep: values.keep ?? false, json: values.json ?? false }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        records: { type: 'string' },
        kills: { type: 'string' },
        seed: { type: 'string' },
        engine: { type: 'string' },
        keep: { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw invalid(asError(error).message)
  }
}

function wholeNumber(name: string, text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined) return undefined
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw invalid(`${name} must be a whole number from ${min} to ${max}, not '${text}'`)
}

function invalid(message: string): OncesinkError {
  return new OncesinkError('CONFIGURATION_INVALID', `${message} (--help shows what there is)`)
}
