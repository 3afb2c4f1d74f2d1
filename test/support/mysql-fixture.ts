import { randomUUID } from 'node:crypto'
import { type Connection as Client, createConnection, type RowDataPacket } from 'mysql2/promise'
import type { Connection, Dialect } from '../../src/database/dialect.ts'
import { createMysqlDialect } from '../../src/database/mysql/dialect.ts'
import { type MysqlOptions, type MysqlPlan, mysql } from '../../src/database/mysql/options.ts'
import { type Runtime, systemRuntime } from '../../src/runtime/runtime.ts'
import { eventually } from './eventually.ts'

export type MysqlFlavour = 'mysql' | 'mariadb'

/** Both servers, for describe.each. */
export const mysqlFlavours: readonly MysqlFlavour[] = ['mysql', 'mariadb']

/** The server of this run: the URL of its maintenance database, as root. */
export function mysqlUrl(flavour: MysqlFlavour): string {
  const name = flavour === 'mysql' ? 'ONCESINK_MYSQL_URL' : 'ONCESINK_MARIADB_URL'
  const url = process.env[name]
  if (!url) throw new Error(`${name} is not set`)
  return url
}

/**
 * A database of a unique name for one test file: oncesink's tables and the test's own live in it. Gone after drop().
 */
export class MysqlFixture {
  readonly flavour: MysqlFlavour
  readonly schema = `oncesink_test_${randomUUID().slice(0, 8)}`
  readonly serverUrl: string
  /** URL of the fixture's database. */
  readonly url: string
  readonly plan: MysqlPlan
  #admin: Client | null = null
  readonly #opened: Connection[] = []
  readonly #accounts: string[] = []

  constructor(flavour: MysqlFlavour, options: Partial<MysqlOptions> = {}, serverUrl = mysqlUrl(flavour)) {
    this.flavour = flavour
    this.serverUrl = serverUrl
    this.url = this.urlAs()
    this.plan = mysql({ connectionString: this.url, ...options })
  }

  /** The collation that keeps every two texts apart. */
  get exactCollation(): string {
    return this.flavour === 'mysql' ? 'utf8mb4_0900_bin' : 'utf8mb4_nopad_bin'
  }

  /** Makes it the collation of tables that say nothing; until then it is the server's, which folds. */
  async useExactTexts(): Promise<void> {
    await this.admin.query(`ALTER DATABASE ${this.schema} COLLATE ${this.exactCollation}`)
  }

  /** A plain client beside everything, in autocommit and UTC, whose default database is the fixture's. */
  get admin(): Client {
    if (!this.#admin) throw new Error('the fixture is not open')
    return this.#admin
  }

  /** The URL of the fixture's database, as another user or through another port. */
  urlAs(changes: { user?: string; password?: string; port?: number } = {}): string {
    const url = new URL(this.serverUrl)
    url.pathname = `/${this.schema}`
    if (changes.user !== undefined) url.username = changes.user
    if (changes.password !== undefined) url.password = changes.password
    if (changes.port !== undefined) url.port = String(changes.port)
    return url.href
  }

  /** Creates the database and oncesink's tables. */
  async open(): Promise<void> {
    this.#admin = await createConnection({ uri: this.serverUrl, timezone: 'Z', charset: 'utf8mb4' })
    await this.admin.query("SET time_zone = '+00:00'")
    await this.admin.query(`CREATE DATABASE ${this.schema} CHARACTER SET utf8mb4`)
    await this.admin.query(`USE ${this.schema}`)
    const connection = await this.connect()
    await connection.migrate()
    await connection.close()
  }

  async drop(): Promise<void> {
    for (const connection of this.#opened) connection.destroy()
    if (!this.#admin) return
    // A test that failed half-way may have left a session that holds locks: dropping would wait for it.
    const [sessions] = await this.admin.query<RowDataPacket[]>('SHOW PROCESSLIST')
    for (const { Id: id, db } of sessions) {
      if (db === this.schema && id !== this.admin.threadId)
        await this.admin.query(`KILL ${id}`).catch(() => {})
    }
    for (const account of this.#accounts) await this.admin.query(`DROP USER IF EXISTS ${account}`)
    await this.admin.query(`DROP DATABASE IF EXISTS ${this.schema}`)
    await this.admin.end()
  }

  dialect(plan: MysqlPlan = this.plan, runtime: Runtime = systemRuntime): Dialect {
    return createMysqlDialect(plan, runtime)
  }

  /**
   * Creates a user and gives it what `grants` say, for example `SELECT ON db.*`; dropped with the fixture. For local
   * connections too: some servers have an anonymous user there, who would be preferred.
   */
  async user(user: string, password: string, grants: readonly string[], more = ''): Promise<void> {
    for (const host of ['%', 'localhost']) {
      const account = `${user}@'${host}'`
      this.#accounts.push(account)
      await this.admin.query(`CREATE USER ${account} IDENTIFIED BY ? ${more}`, [password])
      for (const grant of grants) await this.admin.query(`GRANT ${grant} TO ${account}`)
    }
  }

  /** A connection of `job`, closed by drop() at the latest. */
  async connect(
    job = 'job',
    runtime: Runtime = systemRuntime,
    owner = 'test',
    plan: MysqlPlan = this.plan,
  ): Promise<Connection> {
    const connection = await this.dialect(plan, runtime).connect({ job, owner })
    this.#opened.push(connection)
    return connection
  }

  /** A table of the test in the database; returns its qualified name. */
  async table(name: string, columns: string, options = ''): Promise<string> {
    await this.admin.query(`CREATE TABLE ${name} (${columns}) ${options}`)
    return `${this.schema}.${name}`
  }

  /** Resolves when the server says that `blocked` waits for a lock. */
  async untilBlocked(blocked: Connection): Promise<void> {
    const waits =
      this.flavour === 'mysql'
        ? `SELECT 1 FROM performance_schema.data_lock_waits w
           JOIN performance_schema.threads t ON t.thread_id = w.requesting_thread_id WHERE t.processlist_id = ?`
        : `SELECT 1 FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT' AND trx_mysql_thread_id = ?`
    await eventually(async () => {
      // MariaDB shows what it knew when nobody had looked for a tenth of a second.
      if (this.flavour === 'mariadb') await this.rows('DO sleep(0.11 + rand() * 0.1)')
      return (await this.rows(waits, [blocked.backend.id])).length > 0
    })
  }

  async rows(sql: string, values: unknown[] = []): Promise<RowDataPacket[]> {
    return (await this.admin.query<RowDataPacket[]>(sql, values))[0]
  }
}
