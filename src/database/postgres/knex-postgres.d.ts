/** The dialect class behind `knex({ client: 'pg' })`, which knex exports without types. */
declare module 'knex/lib/dialects/postgres/index.js' {
  import { Knex } from 'knex'

  export default class PostgresClient extends Knex.Client {
    override acquireConnection(): Promise<unknown>
    override releaseConnection(connection: unknown): Promise<void>
    // Called by knex for every statement; what is given back carries the driver's result in `response`.
    protected _query(connection: unknown, query: BoundQuery): Promise<BoundQuery>
    protected _stream(
      connection: unknown,
      query: BoundQuery,
      stream: unknown,
      options: unknown,
    ): Promise<unknown>
  }

  export interface BoundQuery {
    sql: string
    bindings?: readonly unknown[]
    response?: unknown
  }
}
