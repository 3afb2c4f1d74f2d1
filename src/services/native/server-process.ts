import type { ChildProcess } from 'node:child_process'
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ErrorCode, invariant, OncesinkError } from '../../errors.ts'
import { allGone, childrenOf, signalIfAlive } from './processes.ts'
import type { Sandbox } from './sandbox.ts'

/** How long SIGKILL may take to end a process and its children. */
const killTimeoutMs = 10_000
const pollMs = 20
const tailLines = 25

export interface ServerSpec {
  /** For messages: `Kafka 4.1.0`. */
  readonly title: string
  readonly command: string
  readonly args: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** How long a start may take. */
  readonly startTimeoutMs: number
  readonly failureCode: ErrorCode
  /** Whether the server of that process id serves; `log` is what this start has written so far. */
  readonly isReady: (pid: number, log: string) => boolean
}

/**
 * A server in a sandbox.
 *
 * States: `down` -> start() -> `up` -> kill('SIGKILL') or its own death -> `down`; remove() of the sandbox ends it.
 */
export class ServerProcess {
  readonly logFile: string
  readonly #sandbox: Sandbox
  readonly #spec: ServerSpec
  #child: ChildProcess | undefined

  constructor(sandbox: Sandbox, spec: ServerSpec) {
    this.#sandbox = sandbox
    this.#spec = spec
    this.logFile = join(sandbox.dir, 'server.log')
  }

  get pid(): number {
    const pid = this.#child?.pid
    invariant(pid !== undefined, `${this.#spec.title} has a process id once it has been started`)
    return pid
  }

  /** Starts the server and waits until it serves. */
  async start(): Promise<void> {
    const { title, command, args, startTimeoutMs, isReady } = this.#spec
    const log = openSync(this.logFile, 'a')
    const from = statSync(this.logFile).size
    try {
      this.#child = await this.#sandbox.spawn(command, args, log, this.#spec.env ?? process.env)
    } finally {
      closeSync(log)
    }
    const child = this.#child
    for (let waitedMs = 0; !isReady(this.pid, this.#log(from)); waitedMs += pollMs) {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw this.#failed(`${title} ended during its start (${child.signalCode ?? child.exitCode})`, from)
      }
      if (waitedMs >= startTimeoutMs) {
        throw this.#failed(`${title} was not ready after ${startTimeoutMs / 1000} s`, from)
      }
      await sleep(pollMs)
    }
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const children = await childrenOf(this.pid)
    // The server first: one that sees a child die starts to repair what is to stay broken.
    const pids = [this.pid, ...children]
    for (const pid of pids) signalIfAlive(pid, signal)
    if (signal !== 'SIGKILL') return
    if (await allGone(pids, killTimeoutMs)) return
    throw new OncesinkError(
      this.#spec.failureCode,
      `${this.#spec.title} (process ${pids.join(', ')}) is still there ${killTimeoutMs / 1000} s after SIGKILL; see what it waits for, then start again`,
    )
  }

  async restart(): Promise<void> {
    await this.kill()
    await this.start()
  }

  #log(from: number): string {
    return readFrom(this.logFile, from)
  }

  #failed(what: string, from: number): OncesinkError {
    const lines = this.#log(from).trimEnd().split('\n')
    const tail = lines.slice(-tailLines).map((line) => `  | ${line}`)
    return new OncesinkError(
      this.#spec.failureCode,
      `${what}. The end of its log says why:\n${tail.join('\n')}`,
    )
  }
}

function readFrom(file: string, position: number): string {
  const fd = openSync(file, 'r')
  try {
    const buffer = Buffer.alloc(fstatSync(fd).size - position)
    return buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, position))
  } finally {
    closeSync(fd)
  }
}
