import knex, { type Knex } from 'knex'
import PostgresClient, { type BoundQuery } from 'knex/lib/dialects/postgres/index.js'
import { OncesinkError } from '../../errors.ts'
import type { Session } from './session.ts'
import { UserStatements } from './user-statements.ts'

/**
 * Runs user code with a knex handle whose every statement goes through {@link UserStatements} to this session's
 * transaction. The handle has no pool and no connection of its own.
 *
 * Values: `timestamp` and `date` are read and written as UTC, `bigint` and `numeric` are read as strings.
 */
export async function runUserCode(session: Session, work: (trx: Knex) => Promise<unknown>): Promise<void> {
  const statements = new UserStatements(session)
  let failure: unknown
  try {
    await Promise.race([work(createHandle(statements)), lossOf(session)])
  } catch (error) {
    failure = error ?? new Error(`the function threw ${String(error)}`)
  }
  await statements.close()
  // The statement's own failure says more than what the function made of it.
  if (statements.poison) throw statements.poison
  if (session.broken) throw session.classify(failure, { scope: 'sink', doing: "run the job's function" })
  if (failure !== undefined) {
    const reason = failure instanceof Error ? failure.message : String(failure)
    throw new OncesinkError(
      'JOB_FUNCTION_FAILED',
      `the job's function failed in the transaction: ${reason}`,
      {
        cause: failure,
      },
    )
  }
}

/**
 * Rejects when the session breaks: a function that waits for something else than its statements for too long is ended
 * by the server (idle in transaction), and would otherwise never hear of it.
 */
async function lossOf(session: Session): Promise<never> {
  throw await session.lost
}

function createHandle(statements: UserStatements): Knex {
  /** What knex takes for a connection; nothing in it leads to the session. */
  const connection = Object.freeze({})

  class HandleClient extends PostgresClient {
    override acquireConnection(): Promise<unknown> {
      return Promise.resolve(connection)
    }

    override releaseConnection(): Promise<void> {
      return Promise.resolve()
    }

    protected override async _query(_: unknown, query: BoundQuery): Promise<BoundQuery> {
      query.response = await statements.execute(query.sql, query.bindings ?? [])
      return query
    }

    protected override _stream(): Promise<unknown> {
      return statements.refuse('a query in the transaction cannot be streamed: await it, with a limit')
    }

    override transaction(): never {
      return statements.refuse(
        'a transaction cannot be opened inside the transaction of rows and offsets: use the handle as it is',
      )
    }

    override cancelQuery(): never {
      return statements.refuse('a query in the transaction cannot be cancelled: statements have a timeout')
    }
  }
  return knex({ client: HandleClient })
}
