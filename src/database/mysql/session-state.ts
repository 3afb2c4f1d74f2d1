import { OncesinkError } from '../../errors.ts'
import type { Flavour } from './server-version.ts'
import type { Session, TextRow } from './session.ts'

/** What {@link settingsOf} sets and SET NAMES, as far as it decides what a row becomes or when a transaction ends. */
const watched = [
  'sql_mode',
  'time_zone',
  'autocommit',
  'completion_type',
  'foreign_key_checks',
  'unique_checks',
  'sql_safe_updates',
  'sql_big_selects',
  'sql_select_limit',
  'sql_notes',
  'innodb_lock_wait_timeout',
  'lock_wait_timeout',
  'character_set_client',
  'character_set_connection',
  'character_set_results',
]
const watchedOf: Record<Flavour, readonly string[]> = {
  mysql: ['transaction_isolation', 'transaction_read_only', 'max_execution_time', 'wait_timeout'],
  mariadb: [
    'tx_isolation',
    'tx_read_only',
    'max_statement_time',
    'idle_transaction_timeout',
    'check_constraint_checks',
  ],
}

/**
 * The session's settings as they were when it was set up. The job's own SQL cannot SET, but a procedure that it calls
 * can, for the whole life of the session: TIMESTAMPs of every later batch in another time zone, foreign keys that
 * nobody looks at, an autocommit that is off.
 */
export class SessionState {
  readonly #session: Session
  readonly #select: string
  readonly #lock: string
  #expected: TextRow | null = null

  /** @param lock the user-level lock that names the session: the job's SQL may free it as well */
  constructor(session: Session, flavour: Flavour, lock: string) {
    this.#session = session
    this.#lock = lock
    const variables = [...watched, ...watchedOf[flavour]].map((name) => `@@session.${name} AS ${name}`)
    this.#select = `SELECT ${variables.join(', ')}, is_used_lock(?) <=> connection_id() AS named`
  }

  async remember(): Promise<void> {
    this.#expected = await this.#read()
  }

  /** @throws OncesinkError JOB_FUNCTION_FAILED when something is not as it was; the session is cut then */
  async check(): Promise<void> {
    const now = await this.#read()
    const changed = Object.keys(now).find((name) => now[name] !== this.#expected?.[name])
    if (changed === undefined) return
    const what =
      changed === 'named'
        ? 'it has freed the user-level lock that names the session (RELEASE_ALL_LOCKS)'
        : `${changed} is '${now[changed]}' and was '${this.#expected?.[changed]}'`
    const error = new OncesinkError(
      'JOB_FUNCTION_FAILED',
      `the job's own SQL has changed the session at ${this.#session.target}: ${what}. It was rolled back. A procedure that ` +
        'sets a variable of the session must set it back before it returns',
    )
    this.#session.destroy(error)
    throw error
  }

  async #read(): Promise<TextRow> {
    const { rows } = await this.#session.query(this.#select, [this.#lock], {
      scope: 'own',
      doing: 'look whether the session is as it was set up',
    })
    return rows[0] ?? {}
  }
}
