import type { Knex } from 'knex'
import type { TypeCastField } from 'mysql2'
import { runUserCode as runOn } from '../user-code.ts'
import type { UserCodeEngine, UserStatements } from '../user-statements.ts'
import { mysqlGuard } from './guard-syntax.ts'
import { momentText } from './moment-text.ts'
import type { Sent, Session, SqlValue } from './session.ts'

/**
 * Runs user code in this session's transaction, see {@link runOn}.
 *
 * Values: DATETIME, TIMESTAMP and DATE are read and written as UTC, BIGINT and DECIMAL are read as strings.
 */
export function runUserCode(session: Session, work: (trx: Knex) => Promise<unknown>): Promise<void> {
  const handleFor = async (statements: UserStatements<Sent>) => {
    // Loaded when it is first needed: most jobs have no code of their own in the transaction, and knex slows a start.
    const { createHandle } = await import('./knex-handle.ts')
    return createHandle(statements)
  }
  return runOn(session, engineOf(session), handleFor, work)
}

function engineOf(session: Session): UserCodeEngine<Sent> {
  return {
    guard: mysqlGuard,
    refuseValues: (values) => {
      const reason = values.map(whyNot).find((why) => why !== null)
      return reason ? `a parameter of a statement cannot be stored: ${reason}` : null
    },
    send: (text, values) => session.send(text, values.map(parameter), { typeCast: readInUtc }),
    classify: (error, doing) => session.classify(error, { scope: 'sink', doing }),
  }
}

const loneSurrogate = /\p{Surrogate}/u

/** What the driver would write as something else without a word. */
function whyNot(value: unknown): string | null {
  if (typeof value === 'number' && !Number.isFinite(value)) return `${value} is no number that the server has`
  if (typeof value === 'string' && loneSurrogate.test(value)) {
    return 'the text has half a surrogate pair, which is no character'
  }
  if (!(value instanceof Date)) return null
  try {
    momentText(value, 0.001)
    return null
  } catch (error) {
    return String(error instanceof Error ? error.message : error)
  }
}

function parameter(value: unknown): SqlValue {
  if (value instanceof Date) return momentText(value, 0.001)
  // The driver writes only Buffers as bytes, and other arrays as lists.
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  return value as SqlValue
}

const moments: ReadonlySet<string> = new Set(['DATE', 'DATETIME', 'TIMESTAMP', 'NEWDATE'])

/** What no Date can hold (a zero date) stays text. */
function readInUtc(field: TypeCastField, next: () => unknown): unknown {
  if (!moments.has(field.type)) return next()
  const text = field.string()
  if (text === null) return null
  const date = new Date(text.length === 10 ? `${text}T00:00:00Z` : `${text.replace(' ', 'T')}Z`)
  return Number.isNaN(date.getTime()) ? text : date
}
