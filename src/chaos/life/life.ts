import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { type LifeEnd, LifeProcess, parseLine } from './life-process.ts'
import type { LifeCommand } from './preload.ts'
import { type LifeSettings, SETTINGS_VARIABLE } from './settings.ts'

/** The built files: a process of its own runs nothing else, wherever this file lies (src or dist). */
const cli = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url))
const preload = new URL('../../../dist/chaos/life/preload.js', import.meta.url).href

export type LogLine = Readonly<Record<string, unknown>>

export interface LifeOptions {
  /** Unique in the run: the member's name and a number. */
  readonly name: string
  readonly jobFile: string
  readonly settings: LifeSettings
  readonly env: NodeJS.ProcessEnv
  /** Hears every line of its log. */
  readonly hear: (line: LogLine, life: Life) => void
}

/**
 * One life of the user's job: `oncesink run`, which says what it does by its log.
 *
 * States: `starting` -> (claims) -> `working` -> (it ends, or is killed) -> `ended`; `paused` beside them.
 */
export class Life extends LifeProcess<LogLine, LifeCommand> {
  readonly name: string
  /** The member whose life it is. */
  readonly member: string | null
  readonly #hear: LifeOptions['hear']
  #commits = 0
  #claims = 0
  #paused = false

  constructor({ name, jobFile, settings, env, hear }: LifeOptions) {
    super({
      command: [process.execPath, '--import', preload, cli, '--log-format', 'json', 'run', jobFile],
      env: { ...env, [SETTINGS_VARIABLE]: JSON.stringify(settings) },
      says: 'stderr',
    })
    this.name = name
    this.member = settings.member
    this.#hear = hear
  }

  /** Batches that it has committed, as far as it has said so. */
  get commits(): number {
    return this.#commits
  }

  /** Whether it lives, is not stopped, and has claimed partitions. */
  get working(): boolean {
    return this.end === null && !this.#paused && this.#claims > 0
  }

  get paused(): boolean {
    return this.#paused
  }

  override signal(signal: NodeJS.Signals): void {
    if (signal === 'SIGSTOP') this.#paused = true
    if (signal === 'SIGCONT') this.#paused = false
    super.signal(signal)
  }

  protected override heard(line: LogLine): void {
    if (line.event === 'batch') this.#commits += 1
    if (line.event === 'claimed') this.#claims += 1
    if (line.event === 'stoppedAt') this.#paused = true
    this.#hear(line, this)
  }
}

/** What a life said when it ended by itself: its own error where there is one. */
export function lastWords(end: LifeEnd): string {
  const failure = failureOf(end)
  if (typeof failure?.msg === 'string') return `${String(failure.code)}: ${failure.msg}`
  return end.lastLines.slice(-8).join('\n')
}

/** The code of the error by which a life has ended itself; null for any other end. */
export function failureCode(end: LifeEnd): string | null {
  const failure = failureOf(end)
  return failure ? String(failure.code) : null
}

function failureOf({ lastLines }: LifeEnd): LogLine | null {
  return lastLines.map(parseLine).findLast((line) => line?.event === 'failed') ?? null
}
