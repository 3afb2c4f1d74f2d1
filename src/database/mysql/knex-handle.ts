import knex, { type Knex } from 'knex'
import Mysql2Client, { type BoundQuery } from 'knex/lib/dialects/mysql2/index.js'
import type { UserStatements } from '../user-statements.ts'
import type { Sent } from './session.ts'

/** A knex handle without pool or connection: every statement goes to `statements`. */
export function createHandle(statements: UserStatements<Sent>): Knex {
  /** What knex takes for a connection; nothing in it leads to the session. */
  const connection = Object.freeze({})

  class HandleClient extends Mysql2Client {
    override acquireConnection(): Promise<unknown> {
      return Promise.resolve(connection)
    }

    override releaseConnection(): Promise<void> {
      return Promise.resolve()
    }

    protected override async _query(_: unknown, query: BoundQuery): Promise<BoundQuery> {
      try {
        const { result, fields } = await statements.execute(query.sql, query.bindings ?? [])
        query.response = [result, fields]
        return query
      } catch (error) {
        // Knex writes the statement with all its values into the message of what it is given.
        throw error instanceof Error
          ? Object.assign(new Error(error.message, { cause: error }), error)
          : error
      }
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
