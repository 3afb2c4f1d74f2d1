import { execFile } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import type { SeededRandom } from '../../runtime/seeded-random.ts'
import { type Engine, inSession, type RunSql, runStatements } from '../../services/index.ts'
import type { Nemesis } from '../nemesis.ts'
import type { World } from '../world.ts'
import { pause, until } from './wait.ts'

/** How a table is filled until its file cannot grow, by one session in one transaction: nobody sees these rows. */
interface Filling {
  readonly begin: string
  /** At least so large a file may always be, in bytes: the server's own files must go on growing. */
  readonly leastBytes: number
  /** Size of the table's file. */
  readonly size: string
  readonly insert: (rows: number, width: number) => string
  readonly isFull: (error: unknown) => boolean
  /** How a process tells that it has met the limit. */
  readonly told: RegExp
}

const TABLE = 'oncesink_chaos_witness'
const MIB = 1_024 * 1_024
/** Widths of the rows' text: wide ones, so that there are few of them, then those that fit into what is left of a page. */
const WIDTHS = [200, 1]

const postgres: Filling = {
  begin: 'BEGIN',
  // Files of its log have 16 MiB.
  leastBytes: 18 * MIB,
  size: `SELECT pg_relation_size('${TABLE}') AS bytes`,
  insert: (rows, width) =>
    `SAVEPOINT room; INSERT INTO ${TABLE} SELECT repeat('x', ${width}), 0, i FROM generate_series(1, ${rows}) i`,
  isFull: (error) => /too large|could not extend/i.test(String(error)),
  told: /file too large|could not extend/i,
}

const mysqlFamily = (tablespaces: string): Filling => ({
  // At any higher level a row that did not fit leaves a gap lock, and others wait for it in place of failing.
  begin:
    'SET SESSION sql_log_bin = 0; SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION',
  // MySQL's own tables are in a file of nearly 30 MiB, and its undo logs grow by 16 MiB.
  leastBytes: 40 * MIB,
  size: `SELECT FILE_SIZE AS bytes FROM information_schema.${tablespaces} WHERE NAME LIKE '%/${TABLE}'`,
  insert: (rows, width) =>
    `INSERT INTO ${TABLE} WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
     SELECT repeat('x', ${width}), 0, i FROM n`,
  isFull: (error) => (error as { errno?: number }).errno === 1114,
  told: /is full/i,
})

const fillings: Readonly<Record<Engine, Filling>> = {
  postgres,
  mysql: mysqlFamily('INNODB_TABLESPACES'),
  mariadb: mysqlFamily('INNODB_SYS_TABLESPACES'),
}

/** Rows of one statement, at first. Less than the servers allow a query to recurse. */
const ROWS = 900

/** A file size limit, under which the table of witnesses cannot grow: what a full disk looks like to a statement. */
export const diskFull: Nemesis = {
  name: 'disk-full',
  title: 'the database has no room for another page',
  realm: 'database',
  unfit({ database, job }) {
    if (process.platform !== 'linux') return 'it needs prlimit, which only Linux has'
    if (database.control === null) return 'the database server is not one that the run has started'
    const isWitnessed = job.pipelines.some(({ sink }) => 'table' in sink && sink.table === TABLE)
    return isWitnessed ? null : 'it fills the table of witnesses, and there is none'
  },
  async inject(world, random) {
    const { control, engine, url } = world.database
    if (control === null) return
    const { leastBytes, size } = fillings[engine]
    const [row] = await runStatements(engine, url, size)
    const limit = Math.max(leastBytes, Number(row?.bytes) + 64 * 1_024)
    await limitFileSize(control.pid, String(limit))
    await inSession(engine, url, async (run) => {
      await fillUp(world, limit, run)
      await refuse(world, random)
      await run('ROLLBACK')
    })
  },
  async heal(world) {
    const { control } = world.database
    if (control === null) return
    await limitFileSize(control.pid, 'unlimited')
    renewSessions(world)
  },
}

/**
 * Leaves no room in the table for one more row.
 * @throws Error where the limit does not hold, before it fills the real disk
 */
async function fillUp(world: World, limit: number, run: RunSql): Promise<void> {
  const { engine } = world.database
  const { begin, insert, isFull } = fillings[engine]
  await run(begin)
  let bytes = 0
  for (const width of WIDTHS) {
    for (let rows = ROWS; rows >= 1 && !world.signal.aborted; ) {
      if (bytes > limit) throw new Error(`no file may be larger than ${limit} bytes, and one takes more`)
      try {
        await run(insert(rows, width))
        bytes += rows * width
      } catch (error) {
        if (!isFull(error)) throw error
        if (engine === 'postgres') await run('ROLLBACK TO room')
        rows = rows > 1 ? Math.ceil(rows / 4) : 0
      }
    }
  }
}

/** Waits until a process has met the limit, and some time more. */
async function refuse(world: World, random: SeededRandom): Promise<void> {
  const { told } = fillings[world.database.engine]
  const failed = () =>
    world.history.entries.filter((entry) => entry.kind === 'said' && told.test(entry.detail)).length
  const before = failed()
  renewSessions(world)
  if (await until(world, () => failed() > before, 5_000)) {
    world.history.fault('disk-full', 'the table of witnesses could not grow, and the transaction failed')
    await pause(world, random.integer(200, 1_000))
  }
}

/** PostgreSQL has a process for each session, which inherits the limit when it begins. */
function renewSessions({ database: { engine, proxy } }: World): void {
  if (engine === 'postgres') proxy.reset()
}

/** As the account that the server runs as: even root may not do it to others everywhere. The hard limit stays. */
async function limitFileSize(pid: number, bytes: string): Promise<void> {
  const { uid, gid } = await stat(`/proc/${pid}`)
  const account = process.getuid?.() === 0 ? { uid, gid } : {}
  await promisify(execFile)('prlimit', [`--pid=${pid}`, `--fsize=${bytes}:`], account)
}
