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
import { beginClaim, beginTransaction, type InTransaction, inShortTransaction } from './begin.ts'
import type { ServerFacts } from './connect.ts'
import { connectionLimits } from './connection-limits.ts'
import { createTable } from './create-table.ts'
import { endBlockers } from './end-blockers.ts'
import { missingGrants } from './grants.ts'
import { pruneLedger } from './ledger.ts'
import { installedAt, migrate, pendingMigrations, schemaVersion } from './migrations.ts'
import type { PostgresPlan } from './options.ts'
import { clockMs, isWritable, sessionsOf } from './server-state.ts'
import type { Session } from './session.ts'
import { TableCatalog } from './table-catalog.ts'
import { PostgresTransaction } from './transaction.ts'

export interface PostgresConnectionDeps {
  readonly plan: PostgresPlan
  readonly runtime: Runtime
  readonly session: Session
  readonly facts: ServerFacts
}

/**
 * One session, no pool.
 *
 * States: `idle` -> begin() -> `in transaction` -> (it ends) -> `idle`; any -> `broken` (see Session), for good.
 */
export class PostgresConnection implements Connection {
  readonly #deps: PostgresConnectionDeps
  readonly #session: Session
  readonly #tables: TableCatalog
  #transaction: PostgresTransaction | null = null
  #backend: BackendId

  constructor(deps: PostgresConnectionDeps) {
    this.#deps = deps
    this.#session = deps.session
    this.#tables = new TableCatalog(deps.session)
    this.#backend = deps.facts.backend
  }

  /** While a claim is open: the backend that runs it. */
  get backend(): BackendId {
    return this.#backend
  }

  get serverVersion(): string {
    return this.#deps.facts.version
  }

  get broken(): boolean {
    return this.#session.broken
  }

  migrate(): Promise<string[]> {
    return this.#idle(() => migrate(this.#session, this.#change))
  }

  pendingMigrations(): Promise<string[]> {
    return this.#look(() => pendingMigrations(this.#session))
  }

  schemaVersion(): Promise<number> {
    return this.#look(() => schemaVersion(this.#session))
  }

  installedAt(): Promise<string> {
    return this.#look(() => installedAt(this.#session))
  }

  createTable(table: TableDeclaration): Promise<void> {
    return this.#idle(() => this.#change(() => createTable(this.#session, table)))
  }

  describeTable(table: string): Promise<TableDescription | null> {
    return this.#look(() => this.#tables.describe(table))
  }

  isWritable(): Promise<boolean> {
    return this.#look(() => isWritable(this.#session))
  }

  missingGrants(to: 'use' | 'create'): Promise<string[]> {
    return this.#look(() => missingGrants(this.#session, to))
  }

  clockMs(): Promise<number> {
    return this.#look(() => clockMs(this.#session))
  }

  connectionLimits(): Promise<ConnectionLimit[]> {
    return this.#look(() => connectionLimits(this.#session))
  }

  sessionsOf(job: string): Promise<JobSessionAtServer[]> {
    return this.#look(() => sessionsOf(this.#session, job))
  }

  begin(kind: TransactionKind): Promise<Transaction> {
    return this.#idle(async () => {
      const { plan, facts } = this.#deps
      if (kind === 'claim') this.#backend = (await beginClaim(this.#session, plan, facts)) ?? this.#backend
      else await beginTransaction(this.#session, kind, plan, facts)
      this.#transaction = new PostgresTransaction({
        session: this.#session,
        runtime: this.#deps.runtime,
        tables: this.#tables,
        onEnd: () => {
          this.#transaction = null
        },
      })
      return this.#transaction
    })
  }

  endBlockers(waiting: BackendId, job: string): Promise<BlockingSession[]> {
    return this.#look(() => endBlockers(this.#session, waiting, job))
  }

  pruneLedger(job: string, retentionMs: number): Promise<number> {
    return this.#idle(() => pruneLedger(this.#session, job, retentionMs, this.#change))
  }

  async close(): Promise<void> {
    await this.#session.end()
  }

  destroy(): void {
    this.#session.destroy()
  }

  readonly #change: InTransaction = (work) => {
    const { plan, facts } = this.#deps
    return inShortTransaction(this.#session, 'change', plan, facts, work)
  }

  #look<T>(work: () => Promise<T>): Promise<T> {
    const { plan, facts } = this.#deps
    return this.#idle(() => inShortTransaction(this.#session, 'look', plan, facts, work))
  }

  /** Statements beside an open transaction would run inside it. Always a rejection, never a throw. */
  async #idle<T>(work: () => Promise<T>): Promise<T> {
    invariant(!this.#transaction || this.broken, 'a connection was used while its transaction is open')
    return work()
  }
}
