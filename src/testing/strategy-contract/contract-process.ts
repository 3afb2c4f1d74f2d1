import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { LifeProcess } from '../../chaos/life/life-process.ts'
import type { OwnFault } from '../../chaos/life/own-fault.ts'
import { systemClock } from '../../runtime/clock.ts'
import type { FromProcess, ProgramOptions, ToProcess } from './messages.ts'
import { until } from './until.ts'

const program = fileURLToPath(new URL('./job-program.js', import.meta.url))

/** Of a process that has not ended as it was to, the last so many things that it said are told. */
const LAST_SAID = 15

export type OnCommit = (what: 'claim' | 'batch') => void

/** One life of the contract's job. */
export class ContractProcess extends LifeProcess<FromProcess, ToProcess> {
  /** What it has told so far. */
  readonly told: FromProcess[] = []
  readonly #name: string
  readonly #onCommit: OnCommit
  /** When each of {@link told} was heard, in milliseconds since it was started. */
  readonly #heardAt: number[] = []
  readonly #startedAt = systemClock.monotonicMs()

  /** @param onCommit called before each COMMIT, which waits until it returns */
  constructor(name: string, options: ProgramOptions, onCommit: OnCommit = () => {}) {
    super({ command: [process.execPath, program, JSON.stringify(options)], says: 'stdout' })
    this.#name = name
    this.#onCommit = onCommit
  }

  protected override heard(said: FromProcess): void {
    this.#heardAt.push(Math.round(systemClock.monotonicMs() - this.#startedAt))
    this.told.push(said)
    if (said.say !== 'committing') return
    this.#onCommit(said.what)
    this.command({ say: 'go' })
  }

  /** What a strategy prints by itself, too. */
  protected override heardText(text: string): void {
    this.heard({ say: 'note', text })
  }

  /** From now on, `fault` is what it does. */
  arm(fault: OwnFault): void {
    this.command({ say: 'arm', fault })
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
    await this.#whileAlive(`${this.#name} to be stopped`, () => this.isStopped)
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
  explain(): string {
    const words = this.told
      .map((said, i) => `  ${this.#heardAt[i]} ms ${JSON.stringify(said)}`)
      .slice(-LAST_SAID)
    const now = Math.round(systemClock.monotonicMs() - this.#startedAt)
    return [
      `${this.#name} ${this.#how()} (${now} ms after its start); its last words:`,
      ...words,
      this.lastWords,
    ].join('\n')
  }
}
