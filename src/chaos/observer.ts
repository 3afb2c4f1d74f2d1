import { setTimeout as sleep } from 'node:timers/promises'
import { type Row, runStatements } from '../services/index.ts'
import type { History } from './history.ts'
import type { World } from './world.ts'

/** How often the running system is looked at. */
const LOOK_MS = 700

/**
 * Looks at the running system again and again, each time at one moment: results and positions change in one transaction,
 * so no moment may show the one without the other. By plain SQL, past the proxy and the job's code.
 *
 * In every partition the witnesses below the position are as many as the ledger says, and none lies past it.
 */
export class Observer {
  readonly #world: World
  readonly #witness: string
  #looks = 0
  #stopped = false
  #running: Promise<void> | null = null

  constructor(world: World, witness: string) {
    this.#world = world
    this.#witness = witness
  }

  /** Moments that it has seen. */
  get looks(): number {
    return this.#looks
  }

  start(): void {
    this.#running = this.#watch()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  async #watch(): Promise<void> {
    while (!this.#stopped && !this.#world.signal.aborted) {
      await this.look()
      await sleep(LOOK_MS)
    }
  }

  /** One look; a database that is away is looked at another time. */
  async look(): Promise<void> {
    const { database, job, history } = this.#world
    const rows = await runStatements(
      database.engine,
      database.url,
      observation(database.engine === 'postgres', job.name, this.#witness, database.own),
    ).catch(() => null)
    if (rows === null) return
    this.#looks += 1
    this.#record(history, rows)
  }

  #record(history: History, rows: readonly Row[]): void {
    const wrong = rows.flatMap((row) => contradiction(row) ?? [])
    const records = rows.reduce((sum, { witnessed }) => sum + Number(witnessed), 0)
    history.add({ kind: 'observed', records, wrong })
  }
}

/** What one row contradicts; null where all is well. */
export function contradiction(row: Row): string | null {
  const [topic, partition] = [String(row.topic), String(row.partition_no)]
  const [next, committed] = [Number(row.next_offset), Number(row.committed)]
  const [witnessed, last] = [Number(row.witnessed), Number(row.last_witness)]
  const where = `${topic}/${partition} at position ${next}`
  if (last >= next) return `${where} has a result of offset ${last}, which is past it`
  if (witnessed !== committed) {
    return `${where} has results of ${witnessed} records, and its ledger says ${committed}`
  }
  return null
}

function observation(
  isPostgres: boolean,
  job: string,
  witness: string,
  own: (table: string) => string,
): string {
  const begin = isPostgres
    ? 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY'
    : 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY'
  const name = `'${job.replaceAll('\\', isPostgres ? '\\' : '\\\\').replaceAll("'", "''")}'`
  const part = isPostgres ? '"partition"' : '`partition`'
  // Partitions are compared as text of one collation, whatever each table has.
  const text = (column: string) => (isPostgres ? column : `CAST(${column} AS BINARY)`)
  return `${begin};
    SELECT o.topic AS topic, o.${part} AS partition_no, o.next_offset AS next_offset,
      COALESCE((SELECT SUM(b.records - b.dead_letters) FROM ${own('oncesink_batches')} b
        WHERE b.job = o.job AND b.topic = o.topic AND b.${part} = o.${part} AND b.kind = 'batch'), 0) AS committed,
      COALESCE(w.witnessed, 0) AS witnessed, COALESCE(w.last_witness, -1) AS last_witness
    FROM ${own('oncesink_offsets')} o
    LEFT JOIN (SELECT topic, kafka_partition, COUNT(*) AS witnessed, MAX(kafka_offset) AS last_witness
      FROM ${witness} GROUP BY topic, kafka_partition) w
      ON ${text('w.topic')} = ${text('o.topic')} AND w.kafka_partition = o.${part}
    WHERE o.job = ${name};
    ${isPostgres ? '' : 'COMMIT'}`.replace(/;\s*$/, '')
}
