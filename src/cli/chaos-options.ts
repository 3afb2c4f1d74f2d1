import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { OncesinkError } from '../errors.ts'
import type { ChaosCommand } from './chaos.ts'

/** `oncesink chaos` as commander reads it. */
export interface ChaosFlags {
  readonly engine?: 'postgres' | 'mysql' | 'mariadb'
  readonly faults?: string
  readonly duration: string
  readonly seed?: string
  readonly intensity: 'low' | 'medium' | 'high'
  readonly members?: string
  readonly rate: string
  readonly spec?: string
  readonly report?: string
  readonly json: boolean
  readonly kafka?: string
  readonly database?: string
}

export const chaosHelp = `
The job runs as it is, in processes of its own, against Kafka and a database that the run starts on this machine and
removes again. Every record leaves a witness in the transaction of its batch. In the end the log is read again and every
row, every offset range and every witness is compared.

Faults that a job can take are injected by turns; how often each has really happened is in the report. Without any fault
or any commit the outcome is inconclusive.

Examples:
  oncesink chaos job.ts
  oncesink chaos job.ts --faults kill,answer-lost --duration 5m --report chaos.html
  oncesink chaos job.ts --engine mariadb --seed 42 --intensity high`

const unitsMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const
const MAX_MS = 7 * 24 * 3_600_000
const MAX_SEED = 2 ** 32 - 1
const MAX_MEMBERS = 26

/**
 * @param path of the job's file, or of a folder with a file `job.ts` (or .mts, .js, .mjs) in it
 * @throws OncesinkError CONFIGURATION_INVALID that names the option and says what it should be
 */
export function chaosCommand(path: string, flags: ChaosFlags): ChaosCommand {
  if ((flags.kafka === undefined) !== (flags.database === undefined)) {
    throw invalid('--kafka and --database go together: the run starts both servers, or none')
  }
  const servers =
    flags.kafka === undefined || flags.database === undefined
      ? undefined
      : {
          brokers: flags.kafka.split(',').map((text) => text.trim()),
          databaseUrl: databaseUrl(flags.database),
        }
  return {
    job: jobFile(path),
    engine: flags.engine,
    faults: flags.faults?.split(',').map((name) => name.trim()),
    durationMs: durationMs(flags.duration),
    seed: flags.seed === undefined ? undefined : whole('--seed', flags.seed, 0, MAX_SEED),
    intensity: flags.intensity,
    members: flags.members === undefined ? undefined : whole('--members', flags.members, 1, MAX_MEMBERS),
    ratePerSecond: whole('--rate', flags.rate, 1, 1_000_000),
    spec: flags.spec,
    servers,
    json: flags.json,
    report: flags.report ?? null,
  }
}

function jobFile(path: string): string {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return path
  const names = ['job.ts', 'job.mts', 'job.js', 'job.mjs'].map((name) => join(path, name))
  return names.find(existsSync) ?? path
}

/** `90s`, `1.5m`, `2h`. */
export function durationMs(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? []
  const ms = Number(number) * (unitsMs[unit as keyof typeof unitsMs] ?? Number.NaN)
  if (ms >= 1_000 && ms <= MAX_MS) return Math.round(ms)
  throw invalid(`--duration must be a time from 1s to 168h, such as 90s, 10m or 2h, not '${text}'`)
}

function databaseUrl(text: string): string {
  if (/^(postgres(ql)?|mysql|mariadb):\/\//.test(text) && URL.canParse(text)) return text
  throw invalid('--database must be a URL such as postgres://user:password@host:5432/database')
}

function whole(option: string, text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw invalid(`${option} must be a whole number from ${min} to ${max}, not '${text}'`)
}

function invalid(message: string): OncesinkError {
  return new OncesinkError('CONFIGURATION_INVALID', message)
}
