import type {
  BackendId,
  BlockingSession,
  CommitResult,
  Connection,
  TransactionKind,
} from '../../src/database/dialect.ts'
import { type ErrorCode, OncesinkError } from '../../src/errors.ts'
import type { SimulatedDatabase } from './database.ts'
import type { DatabaseOperation, Fault } from './faults.ts'
import type { Host } from './host.ts'
import { callThrough } from './process-faults.ts'
import { totalsTable } from './totals-table.ts'
import { SimulatedTransaction } from './transaction.ts'

/** After this the server notices that a client's process is gone, at the latest, in milliseconds. */
const NOTICE_MS = 500
/** After this it notices that a client's machine is: nothing says goodbye then. */
const NOTICE_SILENCE_MS = 20_000

/**
 * Both ends of a connection: what the client knows of it (`broken`), and the server's session (`isAlive`). A session may
 * outlive its client, with its locks, and a client may use a session that has ended.
 */
export class SimulatedConnection implements Connection {
  readonly backend: BackendId
  readonly serverVersion = 'simulated'
  broken = false
  isAlive = true
  /** A COMMIT is under way to the server, ahead of whatever tells it that the client is gone. */
  hasLateCommit = false
  readonly database: SimulatedDatabase
  readonly host: Host
  transaction: SimulatedTransaction | null = null

  constructor(database: SimulatedDatabase, host: Host, id: number) {
    this.database = database
    this.host = host
    this.backend = { id, startedAt: String(database.world.now) }
    host.onCrash(() => this.#abandoned(host.dice.chance(0.8) ? NOTICE_MS : NOTICE_SILENCE_MS))
  }

  /** The server ends the session; the client hears of it when it runs, and is reached. */
  endedByServer(): void {
    if (!this.isAlive) return
    this.isAlive = false
    this.hasLateCommit = false
    this.database.connections.delete(this)
    this.transaction?.sessionEnded()
    void this.host.wait(this.host.dice.between(0, 5)).then(() => {
      this.broken = true
    })
  }

  /** The client is gone, or believes that the session is. */
  #abandoned(withinMs: number): void {
    this.broken = true
    const { dice, world } = { dice: this.host.dice, world: this.database.world }
    world.schedule(dice.fraction() * withinMs, () => {
      if (!this.hasLateCommit) this.endedByServer()
    })
  }

  async begin(kind: TransactionKind): Promise<SimulatedTransaction> {
    await this.operate('begin', () => {})
    this.transaction = new SimulatedTransaction(this, kind)
    return this.transaction
  }

  /** One round trip, with whatever goes wrong on the way. What `execute` does happens at the server. */
  operate<T>(operation: DatabaseOperation, execute: () => T | Promise<T>): Promise<T> {
    const { host } = this
    return callThrough(host, this.database.faults, operation, async (fault) => {
      // The process may have been killed just now: then it hears of nothing.
      if (this.broken) await host.wait(0)
      if (this.broken) throw lost(operation)
      if (fault || host.isCutOff) return this.#troubled(operation, execute, fault)
      return this.#answered(operation, execute)
    })
  }

  async #answered<T>(operation: string, execute: () => T | Promise<T>): Promise<T> {
    const { host } = this
    try {
      if (!this.isAlive) throw lost(operation)
      const answer = await execute()
      await host.wait(host.dice.fraction() * 4)
      if (this.broken) throw lost(operation)
      return answer
    } catch (error) {
      // A process hears of an error like of anything else: late, or never.
      await host.wait(host.dice.fraction() * 4)
      throw error
    }
  }

  async #troubled<T>(
    operation: DatabaseOperation,
    execute: () => T | Promise<T>,
    fault: Fault | null,
  ): Promise<T> {
    const { host } = this
    const ms = fault?.ms ?? 0
    switch (fault?.kind) {
      case 'request-lost':
        this.#abandoned(NOTICE_MS)
        break
      case 'answer-lost':
        await this.#answered(operation, execute)
        this.#abandoned(NOTICE_MS)
        break
      case 'slow':
        await host.wait(ms)
        return this.#answered(operation, execute)
      case 'deadlock':
      case 'lock-timeout':
      case 'statement-timeout': {
        const code: ErrorCode =
          fault.kind === 'statement-timeout' ? 'STATEMENT_TIMEOUT' : 'TRANSACTION_ABORTED'
        return this.#answered(operation, () => {
          this.transaction?.failedAtServer(fault.kind === 'deadlock' ? 'deadlock' : 'lock-timeout')
          throw new OncesinkError(code, `${fault.kind} at ${operation}`)
        })
      }
      default:
        // Half-open, or cut off: silence.
        await host.wait(Math.min(3_000, Math.max(ms, host.cutOffUntil - this.database.world.now)))
        this.#abandoned(NOTICE_SILENCE_MS)
    }
    await host.wait(host.dice.fraction() * 4)
    throw lost(operation)
  }

  /** Sends COMMIT, and tells what is known of it. */
  commit(trx: SimulatedTransaction): Promise<CommitResult> {
    const { host, database } = this
    return callThrough(host, database.faults, 'commit', async (fault): Promise<CommitResult> => {
      if (this.broken) await host.wait(0)
      if (this.broken) return { kind: 'aborted', error: lost('COMMIT, which was not sent') }
      let result: CommitResult | null = null
      const kind = host.isCutOff ? 'half-open' : (fault?.kind ?? null)
      switch (kind) {
        case null:
        case 'slow':
          await host.wait(fault?.ms ?? 0)
          if (this.isAlive) result = trx.commitAtServer()
          break
        case 'commit-unanswered':
        case 'answer-lost':
          if (this.isAlive) trx.commitAtServer()
          break
        case 'commit-late':
          this.#commitLate(trx, fault?.ms ?? 0)
          break
        case 'commit-refused':
        case 'deadlock':
        case 'lock-timeout':
        case 'statement-timeout':
          trx.failedAtServer('deadlock')
          result = { kind: 'aborted', error: new OncesinkError('TRANSACTION_ABORTED', `${kind} at COMMIT`) }
          break
        case 'half-open':
          await host.wait(Math.min(3_000, fault?.ms ?? 1_000))
          break
        default:
          host.note(() => 'COMMIT does not arrive')
      }
      await host.wait(host.dice.fraction() * 4)
      if (result !== null && !this.broken) return result
      this.#abandoned(kind === 'half-open' ? NOTICE_SILENCE_MS : NOTICE_MS)
      return { kind: 'unknown', error: new OncesinkError('COMMIT_OUTCOME_UNKNOWN', 'no answer to COMMIT') }
    })
  }

  #commitLate(trx: SimulatedTransaction, ms: number): void {
    this.hasLateCommit = true
    this.database.world.schedule(ms, () => {
      if (!this.hasLateCommit || !this.isAlive) return
      this.host.note(() => 'a COMMIT arrives that nobody waits for any more')
      trx.commitAtServer()
      this.endedByServer()
    })
  }

  async endBlockers(waiting: BackendId): Promise<BlockingSession[]> {
    return this.operate('endBlockers', () => {
      const waiter = [...this.database.connections].find((c) => c.backend.id === waiting.id)
      const blocker = waiter?.transaction && this.database.locks.blockerOf(waiter.transaction)?.connection
      if (!blocker || blocker === waiter) return []
      this.host.note(() => `ends session ${blocker.backend.id} of ${blocker.host.name}`)
      blocker.endedByServer()
      return [{ backend: blocker.backend, application: blocker.host.name, ended: true }]
    })
  }

  migrate = async () => []
  createTable = async () => {}
  pendingMigrations = async () => []
  schemaVersion = async () => 1
  installedAt = async () => 'simulated'
  missingGrants = async () => []
  clockMs = async () => this.database.clock.getTime()
  sessionsOf = async () => []
  connectionLimits = async () => []
  describeTable = () => this.operate('describeTable', () => totalsTable)
  isWritable = async () => true
  pruneLedger = () => this.operate('pruneLedger', () => 0)

  async close(): Promise<void> {
    this.broken = true
    if (!this.hasLateCommit) this.endedByServer()
  }

  destroy(): void {
    if (!this.broken) this.#abandoned(NOTICE_MS)
  }
}

/** The error of a connection that was lost. */
export function lost(what: string): OncesinkError {
  return new OncesinkError('DATABASE_UNAVAILABLE', `the connection was lost at ${what}`)
}
