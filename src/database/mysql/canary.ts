import { OncesinkError } from '../../errors.ts'
import type { Random } from '../../runtime/random.ts'
import { asServerError } from './errors.ts'
import { quoteIdentifier } from './identifiers.ts'
import type { Session } from './session.ts'

/** The server's answer where there is no savepoint of this name. */
const NO_SUCH_SAVEPOINT = 1_305

/**
 * A savepoint of a random name, set when the transaction begins. It dies with the transaction: if it is still there,
 * this is still the same transaction. Nothing else tells. After a COMMIT and a START TRANSACTION hidden in a procedure,
 * or after any of the statements that commit by the way, the server says "in transaction" as before, while the
 * positions are committed already, without their rows. A deadlock (1213) ends the transaction too, and what comes
 * after it commits by itself.
 */
export class Canary {
  readonly #session: Session
  readonly #name: string

  constructor(session: Session, random: Random) {
    this.#session = session
    this.#name = quoteIdentifier(`oncesink_${random.uuid()}`)
  }

  async set(): Promise<void> {
    await this.#session.query(`SAVEPOINT ${this.#name}`, [], {
      scope: 'own',
      doing: 'mark the transaction with a savepoint',
    })
  }

  /**
   * Takes the savepoint away.
   * @returns false when it was gone: the transaction had ended before
   */
  async release(): Promise<boolean> {
    try {
      await this.#session.query(`RELEASE SAVEPOINT ${this.#name}`, [], {
        scope: 'own',
        doing: 'find the savepoint that marks the transaction',
      })
      return true
    } catch (error) {
      if (error instanceof OncesinkError && asServerError(error.cause)?.errno === NO_SUCH_SAVEPOINT)
        return false
      throw error
    }
  }
}
