import { runStatements } from '../../services/index.ts'
import type { Nemesis } from '../nemesis.ts'
import type { World } from '../world.ts'
import { pause } from './wait.ts'

const notOurs = ({ database }: World) =>
  database.control === null ? 'the database server is not one that the run has started' : null

export const databaseKill: Nemesis = {
  name: 'db-kill',
  title: 'SIGKILL of the database server, and its restart',
  realm: 'database',
  unfit: notOurs,
  async inject(world, random) {
    const { control } = world.database
    if (!control) return
    await control.kill()
    const awayMs = random.integer(0, 2_000)
    world.history.fault(
      'db-kill',
      `SIGKILL of the database server, which is away for ${awayMs} ms and the time of its recovery`,
    )
    await pause(world, awayMs)
    await control.restart()
  },
}

/**
 * A deadlock made on purpose: a rival locks rows that the job is going to change, and then wants a position that the job
 * has locked before. One of the two is rolled back by the server.
 */
export const deadlock: Nemesis = {
  name: 'deadlock',
  title: 'a rival session locks rows of the tables and the positions in the opposite order',
  realm: 'database',
  unfit: ({ database }) =>
    database.tables.length === 0 ? 'the job has no table that a rival could lock' : null,
  async inject(world, random) {
    const table = world.database.tables[random.integer(0, world.database.tables.length - 1)] ?? ''
    const failed = () =>
      world.history.entries.filter(
        (entry) => entry.kind === 'said' && entry.event === 'batchFailed' && /deadlock/i.test(entry.detail),
      ).length
    const before = failed()
    const endMs = world.history.nowMs + 4_000
    while (world.history.nowMs < endMs && !world.signal.aborted) {
      const rival = await rivalry(world, table)
      if (rival === 'deadlock' || failed() > before) {
        const who = rival === 'deadlock' ? 'a rival session' : "the job's transaction"
        world.history.fault('deadlock', `${who} was rolled back as its victim`)
        return
      }
    }
  },
}

async function rivalry(world: World, table: string): Promise<'deadlock' | 'other'> {
  const { engine, url, own } = world.database
  const isPostgres = engine === 'postgres'
  const name = isPostgres ? quotedPath(table, '"') : quotedPath(table, '`')
  const offsets = own('oncesink_offsets')
  // SET LOCAL is not known to MySQL, and the session ends with the statements anyway.
  const bound = isPostgres ? 'SET lock_timeout = 1500' : 'SET innodb_lock_wait_timeout = 2'
  const sleep = isPostgres ? 'SELECT pg_sleep(0.15)' : 'SELECT SLEEP(0.15)'
  try {
    await runStatements(
      engine,
      url,
      `${bound}; ${isPostgres ? 'BEGIN' : 'START TRANSACTION'}; SELECT 1 FROM ${name} FOR UPDATE; ${sleep};
       SELECT 1 FROM ${offsets} FOR UPDATE; ROLLBACK`,
    )
    return 'other'
  } catch (error) {
    const { code, errno } = error as { code?: string; errno?: number }
    return code === '40P01' || errno === 1213 ? 'deadlock' : 'other'
  }
}

function quotedPath(name: string, quote: string): string {
  return name
    .split('.')
    .map((part) => quote + part + quote)
    .join('.')
}
