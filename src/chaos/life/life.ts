import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type LifeSettings, SETTINGS_VARIABLE } from './settings.ts'

/** The built files: a process of its own runs nothing else, wherever this file lies (src or dist). */
const cli = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url))
const preload = new URL('../../../dist/chaos/life/preload.js', import.meta.url).href

const LAST_LINES = 30

export type LogLine = Readonly<Record<string, unknown>>

export interface LifeEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** What it logged last. */
  readonly lastLines: readonly string[]
}

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
 * One life of the job: `oncesink run` in a process of its own, which ends with this process at the latest.
 *
 * States: `starting` -> (claims) -> `working` -> (it ends, or is killed) -> `ended`; `paused` beside them.
 */
export class Life {
  readonly name: string
  /** The member whose life it is. */
  readonly member: string | null
  readonly ended: Promise<LifeEnd>
  readonly #child: ChildProcess
  readonly #lastLines: string[] = []
  #end: LifeEnd | null = null
  #commits = 0
  #claims = 0
  #paused = false

  constructor({ name, jobFile, settings, env, hear }: LifeOptions) {
    this.name = name
    this.member = settings.member
    this.#child = spawn(
      process.execPath,
      ['--import', preload, cli, '--log-format', 'json', 'run', jobFile],
      {
        env: { ...process.env, ...env, [SETTINGS_VARIABLE]: JSON.stringify(settings) },
        // A process group of its own: Ctrl-C reaches the run, which ends its lives in order.
        detached: true,
        stdio: ['pipe', 'ignore', 'pipe'],
      },
    )
    // It may be killed before the pipe is read.
    this.#child.stdin?.on('error', () => {})
    if (this.#child.stderr) {
      createInterface({ input: this.#child.stderr }).on('line', (text) => this.#heard(text, hear))
    }
    this.ended = once(this.#child, 'close').then(([code, signal]) => {
      this.#end = {
        code: code as number | null,
        signal: signal as NodeJS.Signals | null,
        lastLines: this.#lastLines,
      }
      return this.#end
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get end(): LifeEnd | null {
    return this.#end
  }

  /** Batches that it has committed, as far as it has said so. */
  get commits(): number {
    return this.#commits
  }

  /** Whether it lives, is not stopped, and has claimed partitions. */
  get working(): boolean {
    return this.#end === null && !this.#paused && this.#claims > 0
  }

  get paused(): boolean {
    return this.#paused
  }

  /** Writes one command for the preloaded file. */
  command(command: object): void {
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`)
  }

  signal(signal: NodeJS.Signals): void {
    if (signal === 'SIGSTOP') this.#paused = true
    if (signal === 'SIGCONT') this.#paused = false
    this.#child.kill(signal)
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.ended
  }

  #heard(text: string, hear: LifeOptions['hear']): void {
    this.#lastLines.push(text)
    if (this.#lastLines.length > LAST_LINES) this.#lastLines.shift()
    const line = parse(text)
    if (line === null) return
    if (line.event === 'batch') this.#commits += 1
    if (line.event === 'claimed') this.#claims += 1
    if (line.event === 'stoppedAt') this.#paused = true
    hear(line, this)
  }
}

/** Null for what is no JSON: a stack trace, or a line that SIGKILL has cut. */
function parse(text: string): LogLine | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as LogLine) : null
  } catch {
    return null
  }
}

/** What a life said when it ended by itself: its own error where there is one. */
export function lastWords({ lastLines }: LifeEnd): string {
  for (const text of lastLines.toReversed()) {
    const line = parse(text)
    if (line?.event === 'failed' && typeof line.msg === 'string') return `${String(line.code)}: ${line.msg}`
  }
  return lastLines.slice(-8).join('\n')
}

/** The code of the error by which a life has ended itself; null for any other end. */
export function failureCode({ lastLines }: LifeEnd): string | null {
  for (const text of lastLines.toReversed()) {
    const line = parse(text)
    if (line?.event === 'failed') return String(line.code)
  }
  return null
}
