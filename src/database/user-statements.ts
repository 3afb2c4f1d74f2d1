import { OncesinkError } from '../errors.ts'
import { type GuardSyntax, refuseStatement } from './statement-guard.ts'

/** How much of a statement is repeated in messages. */
const SHOWN_CHARACTERS = 120

/** What an engine does for the statements of user code. */
export interface UserCodeEngine<Result> {
  readonly guard: GuardSyntax
  /** Why a statement with these values may not be sent, as a sentence, or null when it may. */
  refuseValues?(values: readonly unknown[]): string | null
  /** Sends one statement, of which the server refuses a second one in the same string. */
  send(text: string, values: readonly unknown[]): Promise<Result>
  /** The driver's error as an OncesinkError; `doing` reads after "could not". */
  classify(error: unknown, doing: string): OncesinkError
}

/**
 * The statements of one piece of user code.
 *
 * States: `open` -> (a statement fails or is refused) -> `poisoned`; `open` | `poisoned` -> close() -> `revoked`.
 * Only `open` sends anything. The first failure is kept: user code may swallow it, the transaction does not.
 */
export class UserStatements<Result> {
  readonly #engine: UserCodeEngine<Result>
  #state: 'open' | 'poisoned' | 'revoked' = 'open'
  #poison: OncesinkError | null = null
  /** One statement after another, also when the code starts several at once. */
  #last: Promise<unknown> = Promise.resolve()
  /** Text of every statement that was started and has not ended, by its number. */
  readonly #unsettled = new Map<number, string>()
  #started = 0

  constructor(engine: UserCodeEngine<Result>) {
    this.#engine = engine
  }

  /** The first failure, if there was one. */
  get poison(): OncesinkError | null {
    return this.#poison
  }

  /** Sends one statement, after those that were started before it. */
  execute(text: string, values: readonly unknown[]): Promise<Result> {
    const number = this.#started++
    this.#unsettled.set(number, shown(text))
    const run = this.#last
      .then(() => this.#execute(text, values))
      .finally(() => this.#unsettled.delete(number))
    this.#last = run.catch(() => {})
    return run
  }

  /**
   * Ends the code's access. A statement that was started and not awaited is waited for, because the transaction
   * cannot go on beside it, and then the transaction is refused, because what the code would have done next, or
   * with its error, is unknown.
   */
  async close(): Promise<void> {
    const [unsettled] = this.#unsettled.values()
    // From here on only the statement that is already at the server goes on; those behind it are not sent.
    this.#state = 'revoked'
    if (unsettled === undefined) return
    await this.#last
    this.#poisonWith(
      new OncesinkError(
        'JOB_FUNCTION_FAILED',
        `the function returned before its statement had ended (${unsettled}): await every statement, or return its promise`,
      ),
    )
  }

  /** Refuses something that is not a statement. */
  refuse(reason: string): never {
    throw this.#poisonWith(new OncesinkError('JOB_FUNCTION_FAILED', reason))
  }

  async #execute(text: string, values: readonly unknown[]): Promise<Result> {
    if (this.#state === 'revoked') {
      throw new OncesinkError(
        'JOB_FUNCTION_FAILED',
        `a statement was sent after its function had returned: ${shown(text)}. The transaction is over: await every statement in the function`,
      )
    }
    if (this.#state === 'poisoned') {
      throw new OncesinkError(
        'TRANSACTION_ABORTED',
        `the statement was not sent, because an earlier one of this transaction failed: ${shown(text)}`,
        { cause: this.#poison },
      )
    }
    const refusal = refuseStatement(text, this.#engine.guard)
    if (refusal) this.refuse(`the job's function may not send ${refusal} (in: ${shown(text)})`)
    const wrong = this.#engine.refuseValues?.(values) ?? null
    if (wrong) this.refuse(`${wrong} (in: ${shown(text)})`)
    try {
      return await this.#engine.send(text, values)
    } catch (error) {
      this.#poisonWith(this.#engine.classify(error, `run the job's statement ${shown(text)}`))
      throw error
    }
  }

  #poisonWith(error: OncesinkError): OncesinkError {
    this.#poison ??= error
    if (this.#state === 'open') this.#state = 'poisoned'
    return error
  }
}

function shown(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length > SHOWN_CHARACTERS ? `${line.slice(0, SHOWN_CHARACTERS)}...` : line
}
