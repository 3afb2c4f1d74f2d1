import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { onTestFinished } from 'vitest'
import type { FaultPoint } from '../../src/runtime/fault-points.ts'
import { stateOf } from '../../src/services/native/processes.ts'
import { eventually } from './eventually.ts'

const root = join(import.meta.dirname, '..', '..')
const cli = join(root, 'dist', 'cli', 'main.js')
const preload = pathToFileURL(join(import.meta.dirname, 'fault-preload.mjs')).href

/** A command that has not ended by then is killed, and its code is null. */
const COMMAND_LIMIT_MS = 60_000

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** One line of the log. */
export type LogLine = Readonly<Record<string, unknown>>

/** Runs the built command line to its end. */
export async function oncesink(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const child = spawn(process.execPath, [cli, ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: COMMAND_LIMIT_MS,
    killSignal: 'SIGKILL',
  })
  return collect(child)
}

/** A command that runs until it is told to end; it ends with the test at the latest. */
export interface Running {
  /** Lines of its output so far. */
  readonly lines: readonly string[]
  readonly ended: Promise<Ended>
  kill(signal: NodeJS.Signals): void
}

/** Starts the built command line. */
export function startOncesink(args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
  const child = spawn(process.execPath, [cli, ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  return { lines, ended: collect(child), kill: (signal) => void child.kill(signal) }
}

/** A signal that the process sends to itself when it reaches `point` for the `visit`-th time. */
export interface Fault {
  readonly point: FaultPoint
  /** From 1, the default. */
  readonly visit?: number
  readonly signal: NodeJS.Signals
}

export interface JobProcessOptions {
  readonly job: string
  readonly env: NodeJS.ProcessEnv
  readonly fault?: Fault
  /** Default: `run`. */
  readonly command?: 'run' | 'load'
  /** More arguments of the command. */
  readonly args?: readonly string[]
}

/**
 * `oncesink run` in a process of its own, with its log read line by line. It ends with the test at the latest.
 */
export class JobProcess {
  /** What it has logged so far. */
  readonly log: LogLine[] = []
  readonly ended: Promise<Ended>
  /** Set once it has ended. */
  end: Ended | null = null
  readonly #child: ChildProcess

  constructor({ job, env, fault, command = 'run', args = [] }: JobProcessOptions) {
    const faultEnv = fault ? { TEST_FAULT: JSON.stringify({ visit: 1, ...fault }) } : {}
    this.#child = spawn(
      process.execPath,
      ['--import', preload, cli, '--log-format', 'json', command, job, ...args],
      { cwd: root, env: { ...process.env, ...env, ...faultEnv }, stdio: ['pipe', 'pipe', 'pipe'] },
    )
    // A signal may come before the pipe is read; the process is gone then, which is what was asked for.
    this.#child.stdin?.on('error', () => {})
    if (this.#child.stderr) {
      createInterface({ input: this.#child.stderr }).on('line', (line) => {
        const entry = parse(line)
        if (entry) this.log.push(entry)
      })
    }
    this.ended = collect(this.#child).then((end) => {
      this.end = end
      return end
    })
    onTestFinished(() => void this.#child.kill('SIGKILL'))
  }

  get pid(): number {
    const { pid } = this.#child
    if (pid === undefined) throw new Error('the process could not be started')
    return pid
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** The first logged event that is called `event`, waited for; fails at once when the process ends before. */
  logged(event: string, matches: (line: LogLine) => boolean = () => true): Promise<LogLine> {
    const find = () => this.log.find((line) => line.event === event && matches(line))
    return this.#whileRunning(find, `log the event '${event}'`)
  }

  /** Resolves when the kernel says that the process is stopped. */
  async stopped(): Promise<void> {
    await this.#whileRunning(() => (stateOf(this.pid) === 'T' ? true : undefined), 'be stopped')
  }

  async #whileRunning<T>(condition: () => T | undefined, what: string): Promise<T> {
    const { value, end } = await eventually(() => {
      const value = condition()
      return value === undefined ? this.end && { end: this.end } : { value }
    })
    if (value !== undefined) return value
    throw new Error(`the process was to ${what}, but ended (${end?.signal ?? end?.code}):\n${end?.stderr}`)
  }
}

/** The log lines of a process that has ended. */
export function logLines({ stderr }: Pick<Ended, 'stderr'>): LogLine[] {
  return stderr.split('\n').flatMap((line) => {
    const entry = parse(line)
    return entry ? [entry] : []
  })
}

async function collect(child: ChildProcess): Promise<Ended> {
  let [stdout, stderr] = ['', '']
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  return { code, signal, stdout, stderr }
}

function parse(line: string): LogLine | undefined {
  try {
    return JSON.parse(line) as LogLine
  } catch {
    return undefined
  }
}
