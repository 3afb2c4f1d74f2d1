import { beforeAll, expect, test } from 'vitest'
import type { Connection, Dialect } from '../../src/database/dialect.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { createDialect } from '../../src/wire.ts'
import { createDatabaseOn, onEveryEngine } from '../support/engines.ts'
import {
  answerOf,
  CONNECTIONS,
  type OpenConnection,
  type PlayedSchedule,
  playSimulated,
  setUp,
  tablesOf,
} from '../support/port-schedule.ts'
import { uniqueName } from '../support/unique.ts'

const SEEDS = Array.from({ length: 9 }, (_, i) => i + 1)
/** What the simulation says waits for a lock must still wait after this, in milliseconds. */
const WAITS_MS = 25
/** What it says has come back must come back within this. */
const PATIENCE_MS = 8_000

onEveryEngine((engine) => {
  let dialect: Dialect

  beforeAll(async () => {
    const database = await createDatabaseOn(engine, 'fidelity')
    await database.run(
      `CREATE TABLE totals (item ${engine.types.text} PRIMARY KEY, orders bigint NOT NULL, offsets bigint NOT NULL)`,
    )
    dialect = createDialect({ database: engine.database(database.url) }, systemRuntime)
    const connection = await dialect.connect({ job: 'fidelity', owner: 'test' })
    await connection.migrate()
    await connection.close()
  })

  test.each(SEEDS)('schedule %d comes to the same as on the simulated database', async (seed) => {
    const job = uniqueName(`j${seed}`)
    const played = await playSimulated(seed, job, engine.name === 'postgres' ? 'postgres' : 'mysql')
    await replayOn(dialect, played)
  })
})

async function replayOn(dialect: Dialect, { job, steps, tables }: PlayedSchedule): Promise<void> {
  const connect = (owner: string) => dialect.connect({ job, owner })
  const open: OpenConnection[] = []
  for (let i = 0; i < CONNECTIONS; i += 1) open.push({ connection: await connect(`c${i}`), trx: null })
  try {
    await setUp(connectionOf(open, 0).connection, job)
    const pending = new Map<number, Promise<string>>()
    const told: string[] = []
    for (const [number, { step, answers }] of steps.entries()) {
      told.push(`${number}: c${step.connection} ${step.name}`)
      pending.set(number, answerOf(step.run(connectionOf(open, step.connection))))
      for (const [of, expected] of answers) {
        const answer = await within(PATIENCE_MS, pending.get(of))
        told.push(`    ${of} -> ${expected}`)
        expect(answer, `${told.join('\n')}\n${of} must come back`).toBe(expected)
        pending.delete(of)
      }
      for (const [of, waiting] of pending)
        expect(await within(WAITS_MS, waiting), `${told.join('\n')}\n${of} must wait`).toBeNull()
    }
    for (const { connection } of open) connection.destroy()
    await Promise.all(pending.values())
    const reader = await connect('reader')
    expect(await tablesOf(reader, job), told.join('\n')).toBe(tables)
    await reader.close()
  } finally {
    for (const { connection } of open) connection.destroy()
  }
}

function connectionOf(
  open: readonly OpenConnection[],
  i: number,
): OpenConnection & { connection: Connection } {
  const found = open[i]
  if (!found) throw new Error(`there is no connection ${i}`)
  return found
}

async function within(ms: number, work: Promise<string> | undefined): Promise<string | null> {
  const done = new AbortController()
  const late = systemRuntime.clock.sleep(ms, done.signal).then(() => null)
  const answer = await Promise.race([work ?? late, late])
  done.abort()
  return answer
}
