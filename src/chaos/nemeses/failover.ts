import { readdir, readFile } from 'node:fs/promises'
import type { NativeDatabase, NativePostgres } from '../../services/index.ts'
import { runStatements } from '../../services/index.ts'
import type { Nemesis } from '../nemesis.ts'
import type { World } from '../world.ts'
import { pause, until } from './wait.ts'

/**
 * The primary dies, and a standby takes over that has not received the last commits: rows and positions go back together,
 * and what was lost is read and committed again.
 */
export const failover: Nemesis = {
  name: 'failover',
  title: 'failover to a PostgreSQL standby that lacks the last commits',
  realm: 'database',
  unfit({ database }) {
    if (database.engine !== 'postgres') return 'it is made for PostgreSQL only'
    if (process.platform !== 'linux') return 'it looks for a process of the standby as Linux tells it'
    return database.control === null ? 'the database server is not one that the run has started' : null
  },
  async inject(world, random) {
    const primary = world.database.control
    if (!primary || !isPostgres(primary)) return
    const standby = await primary.startStandby()
    try {
      if (!(await until(world, () => isCaughtUp(primary), 15_000)))
        throw new Error('the standby does not follow')
      const lost = await dieAhead(world, primary, standby, random.integer(300, 1_500))
      const promoted = async () =>
        runStatements('postgres', standby.url, 'SELECT pg_promote(true, 30)').then(
          () => true,
          () => false,
        )
      if (!(await until(world, promoted, 30_000))) throw new Error('the standby cannot be promoted')
      world.database.failOver(standby)
      world.history.fault('failover', `the standby took over without the last ${lost} commits`)
    } catch (error) {
      await standby.stop()
      throw error
    }
  },
}

/** Lets the primary commit for a while what the standby does not receive, and die; how many commits were told of by then. */
async function dieAhead(
  world: World,
  primary: NativeDatabase,
  standby: NativePostgres,
  ms: number,
): Promise<number> {
  const receiver = await receiverOf(standby.pid)
  if (receiver === null) throw new Error('the standby has no process that receives')
  process.kill(receiver, 'SIGSTOP')
  const before = world.history.commits
  await until(world, () => world.history.commits > before, 5_000)
  await pause(world, ms)
  await primary.kill()
  // What waits in its socket must not be received after all. The standby starts again without it.
  process.kill(receiver, 'SIGKILL')
  return world.history.commits - before
}

function isPostgres(server: NativeDatabase): server is NativePostgres {
  return 'startStandby' in server
}

async function isCaughtUp({ url }: NativeDatabase): Promise<boolean> {
  const rows = await runStatements(
    'postgres',
    url,
    "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn >= pg_current_wal_lsn() - 65536::numeric",
  ).catch(() => [])
  return rows.length > 0
}

/** The child of the postmaster that calls itself `walreceiver`. */
async function receiverOf(postmaster: number): Promise<number | null> {
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      const stat = await readFile(`/proc/${entry}/stat`, 'utf8')
      const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      if (Number(parent) !== postmaster) continue
      if ((await readFile(`/proc/${entry}/cmdline`, 'utf8')).includes('walreceiver')) return Number(entry)
    } catch {
      // It has ended since the directory was read.
    }
  }
  return null
}
