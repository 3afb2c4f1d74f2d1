import { setTimeout as sleep } from 'node:timers/promises'
import type { FaultPoint } from '../../runtime/fault-points.ts'
import { SeededRandom } from '../../runtime/seeded-random.ts'
import type { LifeEnd } from '../life/life-process.ts'
import { Arena } from './arena.ts'
import type { CampaignContext, CampaignOutcome } from './campaign.ts'
import { JobFailed } from './job-failed.ts'
import type { JobLife } from './lives/job-life.ts'
import type { LifeFault } from './lives/life-plan.ts'
import { combined, type Verdict } from './verdict.ts'

/** Jobs side by side: while one process is being loaded another works. */
const LANES = 4
const RECORDS_PER_BATCH = 20
/** Records that a life finds at least. */
const PER_LIFE = 300
/** A life has committed something after this long, or has failed. */
const FIRST_COMMIT_BOUND_MS = 60_000
/** A life that does not come by its fault point is killed where it is. */
const FAULT_BOUND_MS = 1_000
const MAX_AFTER_COMMIT_MS = 40
/** One in so many lives is killed while it starts, which does not count. */
const STARTING_ONE_IN = 20
const MAX_STARTING_MS = 600
const DRAIN_BOUND_MS = 60_000

/** Where a life that has committed something can be killed by name; claims come before the first commit. */
const points: readonly FaultPoint[] = [
  'batch.fetched',
  'batch.computed',
  'transaction.begun',
  'transaction.advanced',
  'transaction.copying',
  'transaction.rows-written',
  'transaction.ledger-written',
  'transaction.committed',
  'batch.acknowledged',
]

type Moment =
  | { readonly kind: 'starting'; readonly afterMs: number }
  | { readonly kind: 'random'; readonly afterMs: number }
  | { readonly kind: 'point'; readonly fault: LifeFault }

/**
 * SIGKILL of the job. The unit is a kill of a process that has committed at least one batch; every life is a process of
 * its own.
 */
export async function jobKills(context: CampaignContext): Promise<CampaignOutcome> {
  const { engine, servers, programs, target, seed, signal } = context
  const serverUrl = await servers.database(engine)
  const kafka = await servers.kafka()
  const counts = { byPoint: 0, duringCommit: 0, atRandom: 0, whileStarting: 0 }
  const killed = () => counts.byPoint + counts.duringCommit + counts.atRandom
  const told = () => ({
    'at fault points': counts.byPoint,
    'while COMMIT was on its way': counts.duringCommit,
    'at random': counts.atRandom,
    'while starting (not counted)': counts.whileStarting,
  })
  /** Lives that are on, each of which will count: no more are begun than are needed. */
  let begun = 0

  const lane = async (i: number): Promise<Verdict> => {
    const random = new SeededRandom(seed + i)
    const arena = await Arena.open({ engine, serverUrl, kafka })
    try {
      const spec = arena.spec({
        maxRecords: RECORDS_PER_BATCH,
        // Both ways to own partitions; a member comes back under its name.
        ...(i % 2 === 0 ? { assignment: 'all' } : { member: 'one' }),
      })
      await arena.produce(PER_LIFE)
      await programs.rehearsed(spec)
      while (killed() + begun < target && !signal.aborted) {
        const moment = momentOf(random)
        begun += 1
        try {
          await liveAndDie(
            arena,
            programs.job(moment.kind === 'point' ? { spec, fault: moment.fault } : { spec }),
            moment,
          )
        } finally {
          begun -= 1
        }
        context.onProgress(killed(), told())
      }
      const last = programs.job({ spec })
      try {
        await arena.drained(DRAIN_BOUND_MS)
      } finally {
        await last.stop(DRAIN_BOUND_MS)
      }
      return await arena.verify()
    } finally {
      await arena.close()
    }
  }

  const liveAndDie = async (arena: Arena, life: JobLife, moment: Moment): Promise<void> => {
    let end: LifeEnd
    try {
      if (moment.kind === 'starting') await sleep(moment.afterMs)
      else {
        await life.until(() => life.claims > 0, FIRST_COMMIT_BOUND_MS)
        const committed = [...life.owned.values()].reduce((sum, nextOffset) => sum + nextOffset, 0)
        if (arena.produced - committed < PER_LIFE) await arena.produce(PER_LIFE)
        await life.until(() => life.commits > 0, FIRST_COMMIT_BOUND_MS)
        if (moment.kind === 'random') await sleep(moment.afterMs)
        else await life.until(() => false, FAULT_BOUND_MS)
      }
    } finally {
      end = await life.kill()
    }
    if (end.signal !== 'SIGKILL')
      throw new JobFailed(`a life ended by itself, with exit code ${end.code}: ${life.lastWords}`)
    if (life.commits === 0) counts.whileStarting += 1
    else if (life.faultAt === null) counts.atRandom += 1
    else if (moment.kind === 'point' && moment.fault.delayMs !== undefined) counts.duringCommit += 1
    else counts.byPoint += 1
  }

  const lanes = Array.from({ length: Math.min(LANES, target) }, (_, i) => lane(i))
  // One that fails leaves no life of another behind.
  const settled = await Promise.allSettled(lanes)
  for (const outcome of settled) if (outcome.status === 'rejected') throw outcome.reason
  const verdicts = settled.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  return { reached: killed(), counts: told(), verdict: combined(verdicts) }
}

function momentOf(random: SeededRandom): Moment {
  if (random.integer(1, STARTING_ONE_IN) === 1) {
    return { kind: 'starting', afterMs: random.integer(0, MAX_STARTING_MS) }
  }
  if (random.integer(1, 3) === 1) return { kind: 'random', afterMs: random.integer(0, MAX_AFTER_COMMIT_MS) }
  const fault = { signal: 'SIGKILL', visit: random.integer(1, 3) } as const
  if (random.integer(1, 4) === 1) {
    const delayMs = random.integer(0, 2)
    return { kind: 'point', fault: { ...fault, point: 'transaction.ledger-written', delayMs } }
  }
  const point = points[random.integer(0, points.length - 1)] ?? 'batch.computed'
  return { kind: 'point', fault: { ...fault, point } }
}
