import { execFile } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { runStatements } from '../../services/index.ts'
import type { Nemesis } from '../nemesis.ts'
import type { World } from '../world.ts'
import { pause, until } from './wait.ts'

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

/** PostgreSQL's log has files of 16 MiB: a limit below that would keep the server from running at all. */
const FILLED_BYTES = 18 * 1024 * 1024

/** How long the filler stays, in milliseconds. */
const HELD_MS = 7_000

const table = 'oncesink_chaos_witness'

/** Small rows, until the file has grown by some pages, whatever free room there was in it: none is left. */
const fill = `DO $$ DECLARE goal bigint := greatest(${FILLED_BYTES}, pg_relation_size('${table}') + 65536); BEGIN
  WHILE pg_relation_size('${table}') < goal LOOP
    INSERT INTO ${table} SELECT 'x', 0, i FROM generate_series(1, 20000) i;
  END LOOP; END $$`

const sleepingFiller = `SELECT pg_relation_size('${table}') AS bytes,
  (SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%generate_series%') AS sleeping`

/** A file size limit, under which the table of witnesses cannot grow: what a full disk looks like to a statement. */
export const diskFull: Nemesis = {
  name: 'disk-full',
  title: 'the database has no room for another page',
  realm: 'database',
  unfit(world) {
    if (world.database.engine !== 'postgres') return 'it is made for PostgreSQL only'
    if (process.platform !== 'linux') return 'it needs prlimit, which only Linux has'
    return notOurs(world)
  },
  async inject(world, random) {
    const { control, engine, url } = world.database
    if (!control) return
    // Rows of a transaction that stays open: nobody sees them, and nobody may use their room.
    const filler = runStatements(
      engine,
      url,
      `BEGIN; ${fill}; SELECT pg_sleep(${HELD_MS / 1_000}); ROLLBACK`,
    ).catch(() => {})
    let bytes = 0
    const full = async () => {
      const [row] = await runStatements(engine, url, sleepingFiller)
      bytes = Number(row?.bytes)
      return Number(row?.sleeping) > 0
    }
    if (!(await until(world, full, 20_000))) {
      await filler
      return
    }
    const failed = () =>
      world.history.entries.filter(
        (entry) => entry.kind === 'said' && /file too large|could not extend/i.test(entry.detail),
      ).length
    const before = failed()
    await limitFileSize(control.pid, String(bytes + 1_000))
    // Sessions inherit the limit when they begin.
    world.database.proxy.reset()
    if (await until(world, () => failed() > before, 5_000)) {
      world.history.fault('disk-full', 'the table of witnesses could not grow, and the transaction failed')
      await pause(world, random.integer(200, 1_000))
    }
    await this.heal?.(world)
    await filler
  },
  async heal(world) {
    const { control, proxy } = world.database
    if (!control) return
    await limitFileSize(control.pid, 'unlimited')
    proxy.reset()
  },
}

/** As the account that the server runs as: even root may not do it to others everywhere. The hard limit stays. */
async function limitFileSize(pid: number, bytes: string): Promise<void> {
  const { uid, gid } = await stat(`/proc/${pid}`)
  const account = process.getuid?.() === 0 ? { uid, gid } : {}
  await promisify(execFile)('prlimit', [`--pid=${pid}`, `--fsize=${bytes}:`], account)
}
