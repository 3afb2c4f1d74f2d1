import type { Knex } from 'knex'
import type pg from 'pg'
import { runUserCode as runOn } from '../user-code.ts'
import type { UserCodeEngine, UserStatements } from '../user-statements.ts'
import { timestampText } from './column-text.ts'
import { postgresGuard } from './guard-syntax.ts'
import type { Session } from './session.ts'

/** The protocol counts the parameters of a statement in 16 bits. */
const MAX_PARAMETERS = 65_535

/**
 * Runs user code in this session's transaction, see {@link runOn}.
 *
 * Values: `timestamp` and `date` are read and written as UTC, `bigint` and `numeric` are read as strings.
 */
export function runUserCode(session: Session, work: (trx: Knex) => Promise<unknown>): Promise<void> {
  const handleFor = async (statements: UserStatements<pg.QueryResult>) => {
    // Loaded when it is first needed: most jobs have no code of their own in the transaction, and knex slows a start.
    const { createHandle } = await import('./knex-handle.ts')
    return createHandle(statements)
  }
  return runOn(session, engineOf(session), handleFor, work)
}

function engineOf(session: Session): UserCodeEngine<pg.QueryResult> {
  return {
    guard: postgresGuard,
    refuseValues: (values) =>
      values.length > MAX_PARAMETERS
        ? `a statement has ${values.length} parameters, and PostgreSQL takes at most 65,535 in one. Write the rows in ` +
          'slices, for example for (let i = 0; i < rows.length; i += 1000) await ' +
          'trx(table).insert(rows.slice(i, i + 1000)), or let a merge or append sink write them'
        : null,
    send: (text, values) => session.send(text, values.map(parameter)),
    classify: (error, doing) => session.classify(error, { scope: 'sink', doing }),
  }
}

/** pg would write Dates in the process's own time zone. */
function parameter(value: unknown): unknown {
  return value instanceof Date ? timestampText(value) : value
}
