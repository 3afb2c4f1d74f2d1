import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { stateOf } from '../../services/native/processes.ts'
import { endsWithThisProcess } from './ends-with-this-process.ts'

/** Of what it has written to standard error. */
const LAST_LINES = 30

export interface LifeEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** The last that it has written to standard error. */
  readonly lastLines: readonly string[]
}

export interface LifeProcessOptions {
  /** A program that talks as line-talk.ts does, and its arguments. */
  readonly command: readonly [string, ...string[]]
  /** Besides this process's own. */
  readonly env?: NodeJS.ProcessEnv
  /** Where it says what it does. What it writes to standard output is dropped where that is standard error. */
  readonly says: 'stdout' | 'stderr'
}

/**
 * One life of a job: a process that says what it does, a JSON object a line, is commanded in the same way, is sent signals,
 * and ends with this process.
 *
 * States: `running` <-> (SIGSTOP, SIGCONT) -> it is killed, is stopped in order, or ends by itself -> `ended`.
 */
export abstract class LifeProcess<Said extends object, Command> {
  readonly ended: Promise<LifeEnd>
  readonly #child: ChildProcess
  readonly #lastLines: string[] = []
  #end: LifeEnd | null = null

  constructor({ command: [program, ...args], env = {}, says }: LifeProcessOptions) {
    this.#child = spawn(program, args, {
      env: { ...process.env, ...env },
      // A process group of its own: Ctrl-C in the terminal is for this process, which ends its lives.
      detached: true,
      stdio: ['pipe', says === 'stdout' ? 'pipe' : 'ignore', 'pipe'],
    })
    endsWithThisProcess(this.#child)
    const { stdin, stdout, stderr } = this.#child
    // It may be gone before it has read what it was told, which somebody else notices.
    stdin?.on('error', () => {})
    if (stdout) createInterface({ input: stdout }).on('line', (text) => this.#hear(text))
    if (stderr) {
      createInterface({ input: stderr }).on('line', (text) => {
        this.#lastLines.push(text)
        if (this.#lastLines.length > LAST_LINES) this.#lastLines.shift()
        if (says === 'stderr') this.#hear(text)
      })
    }
    this.ended = once(this.#child, 'close').then(([code, signal]) => {
      this.#end = { code, signal, lastLines: this.#lastLines }
      return this.#end
    })
  }

  /** It has said something. */
  protected abstract heard(said: Said): void

  /** It has written what is no JSON object: a stack trace, what others print, a line that SIGKILL has cut. */
  protected heardText(_text: string): void {}

  #hear(text: string): void {
    const said = parseLine(text)
    if (said === null) this.heardText(text)
    else this.heard(said as Said)
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Null until it has ended. */
  get end(): LifeEnd | null {
    return this.#end
  }

  /** The last that it has written to standard error, as one text. */
  get lastWords(): string {
    return this.#lastLines.join('\n')
  }

  /** Whether the kernel says that it is stopped. Where it does not tell: that the signal was sent is enough. */
  get isStopped(): boolean {
    return process.platform !== 'linux' || stateOf(this.pid) === 'T'
  }

  /** One that is stopped hears it when it goes on. */
  command(command: Command): void {
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`)
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<LifeEnd> {
    this.signal('SIGKILL')
    return this.ended
  }

  /** SIGTERM, and SIGKILL where that is not heard in time. */
  async stop(boundMs: number): Promise<LifeEnd> {
    this.signal('SIGTERM')
    const timer = setTimeout(() => this.signal('SIGKILL'), boundMs)
    try {
      return await this.ended
    } finally {
      clearTimeout(timer)
    }
  }
}

/** @returns null for what is no JSON object */
export function parseLine(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : null
  } catch {
    return null
  }
}
