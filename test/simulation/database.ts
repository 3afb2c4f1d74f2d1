import type { Dialect } from '../../src/database/dialect.ts'
import { OncesinkError } from '../../src/errors.ts'
import { SimulatedConnection } from './connection.ts'
import type { FaultInjector } from './faults.ts'
import { type Host, WALL_MS } from './host.ts'
import { Locks } from './locks.ts'
import { callThrough } from './process-faults.ts'
import { type Change, copyOf, type Effects, emptyState, type State } from './state.ts'
import type { SimulatedTransaction } from './transaction.ts'
import type { World } from './world.ts'

/** Who hears of everything that is committed. */
export interface CommitWatcher {
  /** @param before the state that the transaction is about to change */
  committing(connection: SimulatedConnection, effects: Effects, before: State): void
  rewound(): void
}

export type SimulatedEngine = 'postgres' | 'mysql'

/**
 * A READ COMMITTED database with row locks, of which connections, answers, COMMITs and even committed transactions get
 * lost.
 *
 * A statement that fails poisons its transaction (PostgreSQL), or is undone alone (MySQL, but for deadlocks, which end
 * the whole transaction).
 */
export class SimulatedDatabase {
  readonly world: World
  readonly faults: FaultInjector
  readonly engine: SimulatedEngine
  readonly locks: Locks<SimulatedTransaction>
  readonly connections = new Set<SimulatedConnection>()
  watcher: CommitWatcher | null = null
  /** A key that the sink table refuses. */
  rejectedKey: string | null = null
  state: State = emptyState()
  #commits: { readonly at: number; readonly changes: readonly Change[] }[] = []
  #backends = 0
  #unavailableUntil = 0

  constructor(world: World, faults: FaultInjector, engine: SimulatedEngine) {
    this.world = world
    this.faults = faults
    this.engine = engine
    this.locks = new Locks(world, (trx, kind) => trx.failedAtServer(kind))
  }

  /** The server's clock. */
  get clock(): Date {
    return new Date(WALL_MS + this.world.now)
  }

  get isAvailable(): boolean {
    return this.world.now >= this.#unavailableUntil
  }

  /** The dialect as one process sees it. */
  dialectFor(host: Host): Dialect {
    return {
      engine: this.engine,
      connect: () =>
        callThrough(host, this.faults, 'connect', async (fault) => {
          await host.wait(host.dice.between(1, 4))
          if (fault || host.isCutOff || !this.isAvailable) {
            if (host.isCutOff) await host.wait(500)
            throw new OncesinkError('DATABASE_UNAVAILABLE', 'nobody answers')
          }
          const connection = new SimulatedConnection(this, host, ++this.#backends)
          this.connections.add(connection)
          return connection
        }),
      migrationScript: async () => '',
      createTableText: () => '',
    }
  }

  /** COMMIT: everything at once, and visible to everybody. */
  commit(connection: SimulatedConnection, changes: readonly Change[], effects: Effects): void {
    this.watcher?.committing(connection, effects, this.state)
    for (const change of changes) change(this.state)
    this.#commits.push({ at: this.world.now, changes })
  }

  /** Every connection is lost, and nobody can connect for a while. */
  restart(downMs: number): void {
    this.world.note('database', () => `every session ends; away for ${downMs.toFixed(0)} ms`)
    this.#unavailableUntil = this.world.now + downMs
    for (const connection of [...this.connections]) connection.endedByServer()
  }

  /**
   * The database becomes what it was when `share` of its transactions had been committed: an asynchronous failover, a
   * restore.
   */
  rewind(share: number, downMs: number): void {
    const kept = Math.floor(this.#commits.length * share)
    const lost = this.#commits.length - kept
    this.restart(downMs)
    this.world.note('database', () => `its latest ${lost} transactions are lost`)
    this.#commits = this.#commits.slice(0, kept)
    this.state = emptyState()
    for (const { changes } of this.#commits) for (const change of changes) change(this.state)
    if (lost > 0) this.watcher?.rewound()
  }

  /** How many transactions were committed in the last `ms`, as a share of all. */
  shareOlderThan(ms: number): number {
    const { length } = this.#commits
    if (length === 0) return 1
    return this.#commits.filter(({ at }) => at < this.world.now - ms).length / length
  }

  snapshot(): State {
    return copyOf(this.state)
  }
}
