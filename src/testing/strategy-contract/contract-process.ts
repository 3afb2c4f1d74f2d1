import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../runtime/clock.ts'
import type { ContractFault, FromProcess, ProgramOptions, ToProcess } from './messages.ts'
import { until } from './until.ts'

const program = fileURLToPath(new URL('./job-program.js', import.meta.url))

/** Of a process that has not ended as it was to, the last so many things that it said are told. */
const LAST_WORDS = 15

export interface ProcessEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export type OnCommit = (what: 'claim' | 'batch') => void

/** One life of the contract's job. */
export class ContractProcess {
  /** What it has told so far. */
  readonly told: FromProcess[] = []
  /** Resolves when it is gone, however. */
  readonly ended: Promise<ProcessEnd>
  end: ProcessEnd | null = null
  readonly #name: string
  readonly #child: ChildProcess
  readonly #onCommit: OnCommit
  /** When each of {@link told} was heard, in milliseconds since it was started. */
  readonly #heardAt: number[] = []
  readonly #startedAt = systemClock.monotonicMs()
  #stderr = ''

  /** @param onCommit called before each COMMIT, which waits until it returns */
  constructor(name: string, options: ProgramOptions, onCommit: OnCommit = () => {}) {
    this.#name = name
    this.#onCommit = onCommit
    this.#child = spawn(process.execPath, [program, JSON.stringify(options)], {
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    const { stdin, stdout, stderr } = this.#child
    // It may be gone before it has read what it was told, which somebody else notices.
    stdin?.on('error', () => {})
    if (stdout) createInterface({ input: stdout }).on('line', (line) => this.#hear(line))
    stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text
    })
    this.ended = once(this.#child, 'close').then(([code, signal]) => {
      this.end = { code, signal }
      return this.end
    })
  }

  #hear(line: string): void {
    this.#heardAt.push(Math.round(systemClock.monotonicMs() - this.#startedAt))
    try {
      const said = JSON.parse(line) as FromProcess
      this.told.push(said)
      if (said.say !== 'committing') return
      this.#onCommit(said.what)
      this.#tell({ say: 'go' })
    } catch {
      // A line that SIGKILL has cut, or what a strategy prints by itself.
      this.told.push({ say: 'note', text: line })
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** From now on, `fault` is what it does. One that is stopped hears it when it goes on. */
  arm(fault: ContractFault): void {
    this.#tell({ say: 'arm', fault })
  }

  #tell(message: ToProcess): void {
    this.#child.stdin?.write(`${JSON.stringify(message)}\n`)
  }

  /**
   * The next thing of this kind that it tells, counted from `since`.
   * @param since a length that {@link told} has had
   */
  hears<K extends FromProcess['say']>(kind: K, since = 0): Promise<Extract<FromProcess, { say: K }>> {
    const find = () =>
      this.told.slice(since).find((said): said is Extract<FromProcess, { say: K }> => said.say === kind)
    return this.#whileAlive(`'${kind}' from ${this.#name}`, find)
  }

  /** Resolves when it is stopped at `point`, or about to be. */
  async meets(point: string): Promise<void> {
    await this.#whileAlive(`the signal of ${this.#name} at ${point}`, () =>
      this.told.find((said) => said.say === 'fault' && said.fault.point === point),
    )
  }

  /** Resolves when the kernel says that it is stopped. */
  async stopped(): Promise<void> {
    await this.#whileAlive(`${this.#name} to be stopped`, () => isStopped(this.#child.pid))
  }

  async #whileAlive<T>(what: string, ask: () => T): Promise<NonNullable<T>> {
    return until(what, () => {
      const answer = ask()
      if (!answer && this.end) throw new Error(`there was to be ${what}, but it ${this.#how()}`)
      return answer
    })
  }

  /** @throws Error when it does not end, or not with this exit code or by this signal */
  async endsWith(expected: number | NodeJS.Signals): Promise<void> {
    const { code, signal } = await until(`the end of ${this.#name}`, () => this.end)
    if ((signal ?? code) === expected) return
    throw new Error(`${this.#name} was to end with ${expected}, but ${this.#how()}`)
  }

  #how(): string {
    return this.end ? `has ended with ${this.end.signal ?? `exit code ${this.end.code}`}` : 'is running'
  }

  /** How it is, and what it has told at last. */
  lastWords(): string {
    const words = this.told
      .map((said, i) => `  ${this.#heardAt[i]} ms ${JSON.stringify(said)}`)
      .slice(-LAST_WORDS)
    const now = Math.round(systemClock.monotonicMs() - this.#startedAt)
    return [
      `${this.#name} ${this.#how()} (${now} ms after its start); its last words:`,
      ...words,
      this.#stderr,
    ].join('\n')
  }
}

/** Whether the kernel says that it is stopped. Where it does not tell: that the signal was sent is enough. */
function isStopped(pid: number | undefined): boolean {
  try {
    // `pid (name) T ...`, where the name may contain anything.
    return /\) T [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return process.platform !== 'linux'
  }
}
