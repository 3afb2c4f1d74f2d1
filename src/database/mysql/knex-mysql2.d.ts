/** The dialect class behind `knex({ client: 'mysql2' })`, which knex exports without types. */
declare module 'knex/lib/dialects/mysql2/index.js' {
  import { Knex } from 'knex'

  export default class Mysql2Client extends Knex.Client {
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
    /** Result and fields. */
    response?: readonly [unknown, unknown]
  }
}
