import { setTimeout as sleep } from 'node:timers/promises'
import { start } from '../../job/start.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { FaultPoint } from '../../runtime/fault-points.ts'
import { systemRuntime } from '../../runtime/runtime.ts'
import { SeededRandom } from '../../runtime/seeded-random.ts'
import { EventBus, type JobEvents } from '../../telemetry/events.ts'
import { Arena } from './arena.ts'
import type { CampaignContext, CampaignOutcome } from './campaign.ts'
import { JobFailed } from './job-failed.ts'

const RECORDS_PER_BATCH = 20
const BACKLOG = 1_000
/** From the restart of the server to the first commit after it. */
const RECOVERY_BOUND_MS = 60_000
const DRAIN_BOUND_MS = 60_000
const POLL_MS = 5
/** The job waits up to five seconds before it tries again; a campaign has no time for that. */
const MAX_BACKOFF_MS = 250

/** Where the job is when the server dies. */
const points: readonly FaultPoint[] = [
  'transaction.ledger-written',
  'transaction.begun',
  'transaction.advanced',
  'transaction.copying',
  'transaction.rows-written',
  'transaction.committed',
  'batch.fetched',
]

/**
 * SIGKILL of the database server, which is then started again on its data. The unit is a kill before which the job had
 * committed since the last one, and after which the same process of the job has committed again.
 */
export async function databaseKills(context: CampaignContext): Promise<CampaignOutcome> {
  const { engine, servers, target, seed, signal } = context
  const kafka = await servers.kafka()
  const server = await servers.ownDatabase(engine)
  const arena = await Arena.open({ engine, serverUrl: server.url, kafka })
  const random = new SeededRandom(seed)
  const counts = { reached: 0, atPoints: 0, duringCommit: 0, attempts: 0, downMs: 0 }
  const told = () => ({
    'at fault points': counts.atPoints,
    'while COMMIT was on its way': counts.duringCommit,
    'attempts to reach the database': counts.attempts,
    'time down, ms': Math.round(counts.downMs),
  })
  let commits = 0
  /** What is to happen when the point is reached. */
  let armed: { readonly point: FaultPoint; readonly strike: () => Promise<void> } | null = null
  const events = new EventBus<JobEvents>()
  events.on('batch', () => {
    commits += 1
  })
  events.on('retrying', ({ what }) => {
    if (what === 'database') counts.attempts += 1
  })
  const runtime = {
    ...systemRuntime,
    clock: impatient(systemRuntime.clock),
    faultPoints: {
      reach: async (point: FaultPoint) => {
        if (point !== armed?.point) return
        const { strike } = armed
        armed = null
        await strike()
      },
    },
  }

  await arena.produce(BACKLOG)
  const running = await start(arena.job({ maxRecords: RECORDS_PER_BATCH }), { events, runtime })
  const failed = running.done.then(() => {
    throw new JobFailed('the job has ended by itself')
  })
  failed.catch(() => {})
  const until = async (condition: () => boolean, boundMs: number, what: string) => {
    const end = performance.now() + boundMs
    while (!condition()) {
      if (performance.now() > end) throw new JobFailed(`${what} within ${boundMs / 1_000} s`)
      await Promise.race([sleep(POLL_MS), failed])
    }
  }

  /** @returns whether the server was killed */
  const killOnce = async (): Promise<boolean> => {
    const before = commits
    if (arena.produced - (await arena.committed()) < BACKLOG / 2) await arena.produce(BACKLOG)
    await until(() => commits > before, RECOVERY_BOUND_MS, 'the job has not committed anything')
    const point = points[random.integer(0, points.length - 1)] ?? 'transaction.begun'
    // COMMIT is sent while the server dies, or nothing is sent before it is dead.
    const atCommit = point === 'transaction.ledger-written' || random.integer(1, 2) === 1
    let dying: Promise<void> | null = null
    armed = {
      point: atCommit ? 'transaction.ledger-written' : point,
      strike: async () => {
        if (atCommit && random.integer(0, 1) === 1) await sleep(random.fraction() * 2)
        dying = server.kill()
        if (!atCommit) await dying
      },
    }
    await until(() => dying !== null, RECOVERY_BOUND_MS, `the job does not come by ${point}`)
    const diedAt = performance.now()
    await dying
    await server.restart()
    counts.downMs += performance.now() - diedAt
    const after = commits
    await until(
      () => commits > after,
      RECOVERY_BOUND_MS,
      'after the restart of the server the job does not commit',
    )
    counts.reached += 1
    counts[atCommit ? 'duringCommit' : 'atPoints'] += 1
    return true
  }

  try {
    while (counts.reached < target && !signal.aborted) {
      await killOnce()
      context.onProgress(counts.reached, told())
    }
    await Promise.race([arena.drained(DRAIN_BOUND_MS), failed])
  } finally {
    await running.stop().catch(() => {})
  }
  return { reached: counts.reached, counts: told(), verdict: await arena.verify() }
}

/** Back-off is shorter; everything else takes its time. */
function impatient(clock: Clock): Clock {
  return { ...clock, sleep: (ms, signal) => clock.sleep(Math.min(ms, MAX_BACKOFF_MS), signal) }
}
