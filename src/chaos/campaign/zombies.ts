import type { FaultPoint } from '../../runtime/fault-points.ts'
import { SeededRandom } from '../../runtime/seeded-random.ts'
import { Arena } from './arena.ts'
import type { CampaignContext, CampaignOutcome } from './campaign.ts'
import { Feeder } from './feeder.ts'
import { JobGroup } from './lives/job-group.ts'
import type { JobLife } from './lives/job-life.ts'

const PARTITIONS = 6
const MEMBERS = ['a', 'b', 'c']
/** What the brokers of a campaign allow at least. */
const SESSION_TIMEOUT_MS = 1_000
const RECORDS_PER_BATCH = 100
/** So many that a batch is several pieces of COPY. */
const PADDING = 1_500
const BACKLOG = 1_500
/** Who does not come by the point within this time is stopped where it is. */
const POINT_BOUND_MS = 5_000
const MOVE_BOUND_MS = 60_000
const DRAIN_BOUND_MS = 60_000

/** Where a process stands still; null for wherever it is. */
const places: readonly (FaultPoint | null)[] = [
  'transaction.copying',
  'transaction.advanced',
  'transaction.ledger-written',
  null,
  'transaction.begun',
  'transaction.rows-written',
  'batch.computed',
  'transaction.committed',
  null,
  'batch.fetched',
]

/**
 * Processes that are stopped (SIGSTOP) until the group has given their partitions to others and these have claimed them,
 * and are then woken (SIGCONT). The unit is one that was woken after all of its partitions had moved.
 */
export async function zombies(context: CampaignContext): Promise<CampaignOutcome> {
  const { engine, servers, programs, target, seed, signal } = context
  const kafka = await servers.kafka()
  const serverUrl = await servers.database(engine)
  const arena = await Arena.open({ engine, serverUrl, kafka, partitions: PARTITIONS, padding: PADDING })
  const group = new JobGroup(programs, arena, MEMBERS, {
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
    maxRecords: RECORDS_PER_BATCH,
  })
  const feeder = new Feeder(arena, BACKLOG)
  const random = new SeededRandom(seed)
  const counts = { inCopy: 0, inTransaction: 0, elsewhere: 0, notMoved: 0 }
  const woken = () => counts.inCopy + counts.inTransaction + counts.elsewhere
  const told = () => ({
    'stopped inside COPY': counts.inCopy,
    'stopped inside a transaction': counts.inTransaction,
    'stopped elsewhere': counts.elsewhere,
    'woken before their partitions moved (not counted)': counts.notMoved,
    'members that ended with exit code 3 and were replaced': group.replaced,
  })
  try {
    await group.settled(signal)
    for (let i = random.integer(0, places.length - 1); woken() < target && !signal.aborted; i++) {
      const life = group.lives[i % MEMBERS.length]
      const place = life && (await stopAt(life, places[i % places.length] ?? null))
      if (!life || !place) continue
      const moved = await group.moved([...life.owned.keys()], life, MOVE_BOUND_MS, signal)
      life.signal('SIGCONT')
      if (moved) counts[place] += 1
      else counts.notMoved += 1
      context.onProgress(woken(), told())
      // It learns of what it has lost before the next one is stopped, and takes its share again.
      await group.settled(signal)
    }
    await feeder.stop()
    await arena.drained(DRAIN_BOUND_MS)
  } finally {
    await group.stop()
    await feeder.stop()
  }
  try {
    return { reached: woken(), counts: told(), verdict: await arena.verify() }
  } finally {
    await arena.close()
  }
}

/**
 * Stops the process at `point`, or wherever it is where it does not come by.
 * @returns where it stands still; undefined when it does not
 */
async function stopAt(
  life: JobLife,
  point: FaultPoint | null,
): Promise<'inCopy' | 'inTransaction' | 'elsewhere' | undefined> {
  if (point !== null) life.arm({ signal: 'SIGSTOP', point, visit: 2 })
  const isThere = point !== null && (await life.stands(POINT_BOUND_MS))
  // It must not stop once more when it has been woken.
  life.arm(null)
  life.signal('SIGSTOP')
  if (!(await life.stands(POINT_BOUND_MS))) return undefined
  if (!isThere || !point.startsWith('transaction.') || point === 'transaction.committed') return 'elsewhere'
  return point === 'transaction.copying' ? 'inCopy' : 'inTransaction'
}
