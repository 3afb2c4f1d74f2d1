import { invariant } from '../../errors.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type {
  BackendId,
  BlockingSession,
  Connection,
  ConnectionLimit,
  JobSessionAtServer,
  TableDescription,
  Transaction,
  TransactionKind,
} from '../dialect.ts'
import type { TableDeclaration } from '../table-declaration.ts'
import { beginTransaction } from './begin.ts'
import { Canary } from './canary.ts'
import type { ServerFacts } from './connect.ts'
import { connectionLimits } from './connection-limits.ts'
import { createTable } from './create-table.ts'
import { endBlockers } from './end-blockers.ts'
import { missingGrants } from './grants.ts'
import { pruneLedger } from './ledger.ts'
import { installedAt, migrate, pendingMigrations, schemaVersion } from './migrations.ts'
import type { MysqlPlan } from './options.ts'
import { clockMs, isWritable, sessionsOf } from './server-state.ts'
import type { Session } from './session.ts'
import { TableCatalog } from './table-catalog.ts'
import { MysqlTransaction } from './transaction.ts'

export interface MysqlConnectionDeps {
  readonly plan: MysqlPlan
  readonly runtime: Runtime
  readonly session: Session
  readonly facts: ServerFacts
}

/**
 * One session, no pool.
 *
 * States: `idle` -> begin() -> `in transaction` -> (it ends) -> `idle`; any -> `broken` (see Session), for good.
 */
export class MysqlConnection implements Connection {
  readonly #deps: MysqlConnectionDeps
  readonly #session: Session
  readonly #tables: TableCatalog
  #transaction: MysqlTransaction | null = null

  constructor(deps: MysqlConnectionDeps) {
    this.#deps = deps
    this.#session = deps.session
    this.#tables = new TableCatalog(deps.session, deps.facts)
  }

  get backend(): BackendId {
    return this.#deps.facts.backend
  }

  get serverVersion(): string {
    return this.#deps.facts.version
  }

  get broken(): boolean {
    return this.#session.broken
  }

  migrate(): Promise<string[]> {
    return this.#idle(() => migrate(this.#session, this.#deps.plan))
  }

  pendingMigrations(): Promise<string[]> {
    return this.#idle(() => pendingMigrations(this.#session))
  }

  schemaVersion(): Promise<number> {
    return this.#idle(() => schemaVersion(this.#session))
  }

  installedAt(): Promise<string> {
    return this.#idle(() => installedAt(this.#session))
  }

  createTable(table: TableDeclaration): Promise<void> {
    return this.#idle(() => createTable(this.#session, table, this.#session.exactCollation))
  }

  describeTable(table: string): Promise<TableDescription | null> {
    return this.#idle(() => this.#tables.describe(table))
  }

  isWritable(): Promise<boolean> {
    return this.#idle(() => isWritable(this.#session))
  }

  missingGrants(to: 'use' | 'create'): Promise<string[]> {
    return this.#idle(() => missingGrants(this.#session, to))
  }

  clockMs(): Promise<number> {
    return this.#idle(() => clockMs(this.#session))
  }

  connectionLimits(): Promise<ConnectionLimit[]> {
    return this.#idle(() => connectionLimits(this.#session, this.backend.id))
  }

  sessionsOf(job: string): Promise<JobSessionAtServer[]> {
    return this.#idle(() => sessionsOf(this.#session, job, this.backend.id))
  }

  begin(kind: TransactionKind): Promise<Transaction> {
    return this.#idle(async () => {
      const { runtime } = this.#deps
      await beginTransaction(this.#session, kind)
      const canary = kind === 'snapshot' ? null : new Canary(this.#session, runtime.random)
      await canary?.set()
      this.#transaction = new MysqlTransaction({
        session: this.#session,
        runtime,
        tables: this.#tables,
        canary,
        sessionState: this.#deps.facts.state,
        onEnd: () => {
          this.#transaction = null
        },
      })
      return this.#transaction
    })
  }

  endBlockers(waiting: BackendId, job: string): Promise<BlockingSession[]> {
    return this.#idle(() => endBlockers(this.#session, this.#deps.facts.flavour, this.backend, waiting, job))
  }

  pruneLedger(job: string, retentionMs: number): Promise<number> {
    return this.#idle(() => pruneLedger(this.#session, job, retentionMs))
  }

  async close(): Promise<void> {
    await this.#session.end()
  }

  destroy(): void {
    this.#session.destroy()
  }

  /** Statements beside an open transaction would run inside it. Always a rejection, never a throw. */
  async #idle<T>(work: () => Promise<T>): Promise<T> {
    invariant(!this.#transaction || this.broken, 'a connection was used while its transaction is open')
    return work()
  }
}
