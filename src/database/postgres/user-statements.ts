import type pg from 'pg'
import { OncesinkError } from '../../errors.ts'
import { refuseStatement } from '../statement-guard.ts'
import { timestampText } from './column-text.ts'
import { postgresGuard } from './guard-syntax.ts'
import type { Session } from './session.ts'

/** The protocol counts the parameters of a statement in 16 bits. */
const MAX_PARAMETERS = 65_535
/** How much of a statement is repeated in messages. */
const SHOWN_CHARACTERS = 120

/**
 * The statements of one piece of user code.
 *
 * States: `open` -> (a statement fails or is refused) -> `poisoned`; `open` | `poisoned` -> close() -> `revoked`.
 * Only `open` sends anything. The first failure is kept: user code may swallow it, the transaction does not.
 */
export class UserStatements {
  readonly #session: Session
  #state: 'open' | 'poisoned' | 'revoked' = 'open'
  #poison: OncesinkError | null = null
  /** One statement after another, also when the code starts several at once. */
  #last: Promise<unknown> = Promise.resolve()
  /** Text of every statement that was started and has not ended, by its number. */
  readonly #unsettled = new Map<number, string>()
  #started = 0

  constructor(session: Session) {
    this.#session = session
  }

  /** The first failure, if there was one. */
  get poison(): OncesinkError | null {
    return this.#poison
  }

  /** Sends one statement by the extended protocol, where the server refuses a second one in the same string. */
  execute(text: string, values: readonly unknown[]): Promise<pg.QueryResult> {
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

  async #execute(text: string, values: readonly unknown[]): Promise<pg.QueryResult> {
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
    const refusal = refuseStatement(text, postgresGuard)
    if (refusal) this.refuse(`the job's function may not send ${refusal} (in: ${shown(text)})`)
    if (values.length > MAX_PARAMETERS) {
      this.refuse(
        `a statement has ${values.length} parameters, and PostgreSQL takes at most 65,535 in one (in: ${shown(text)}). ` +
          'Write the rows in slices, for example for (let i = 0; i < rows.length; i += 1000) await ' +
          'trx(table).insert(rows.slice(i, i + 1000)), or let a merge or append sink write them',
      )
    }
    try {
      return await this.#session.send(text, values.map(parameter))
    } catch (error) {
      this.#poisonWith(
        this.#session.classify(error, { scope: 'sink', doing: `run the job's statement ${shown(text)}` }),
      )
      throw error
    }
  }

  #poisonWith(error: OncesinkError): OncesinkError {
    this.#poison ??= error
    if (this.#state === 'open') this.#state = 'poisoned'
    return error
  }
}

/** pg would write Dates in the process's own time zone. */
function parameter(value: unknown): unknown {
  return value instanceof Date ? timestampText(value) : value
}

function shown(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length > SHOWN_CHARACTERS ? `${line.slice(0, SHOWN_CHARACTERS)}...` : line
}
