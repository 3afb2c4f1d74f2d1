import { setTimeout as sleep } from 'node:timers/promises'
import { SeededRandom } from '../../runtime/seeded-random.ts'
import { Arena } from './arena.ts'
import type { CampaignContext, CampaignOutcome, ControlResult } from './campaign.ts'
import { JobFailed } from './job-failed.ts'
import type { ControlKind } from './lives/life-plan.ts'

const kinds: readonly ControlKind[] = [
  'committed before',
  'committed after',
  'committed after, with callback',
]
/** One that is still not caught after so many kills, and so many times those asked for, counts as not caught. */
const MAX_KILLS = 50
const MAX_KILLS_FACTOR = 5
const RECORDS_PER_BATCH = 20
const PER_LIFE = 400
const SESSION_TIMEOUT_MS = 1_000
const FIRST_COMMIT_BOUND_MS = 60_000
const MAX_AFTER_COMMIT_MS = 40
/** Who has written nothing for this long has nothing left to write. */
const IDLE_MS = 1_500
/** Who has not begun to write after this long had nothing to write. */
const BEGIN_MS = 15_000
const POLL_MS = 50
const LOOK_EVERY_KILLS = 5

/**
 * The negative controls: programs that keep positions in Kafka are killed as oncesink is, beside it, and the checker has
 * to find what they lose and repeat. The unit is a kill, of each of the four.
 */
export async function controls(context: CampaignContext): Promise<CampaignOutcome> {
  const subjects = await Promise.all([
    subject(context, 'oncesink', 0),
    ...kinds.map((kind, i) => subject(context, kind, i + 1)),
  ])
  const [real] = subjects
  return {
    reached: Math.min(...subjects.map(({ kills }) => kills)),
    counts: Object.fromEntries(subjects.map(({ kind, kills }) => [`kills of ${kind}`, kills])),
    verdict: real.verdict,
    controls: subjects.map(({ kind, kills, lost, duplicated, caught, cutShort = false }) => ({
      kind,
      kills,
      lost,
      duplicated,
      caught,
      cutShort,
    })),
  }
}

async function subject(
  context: CampaignContext,
  kind: ControlKind | 'oncesink',
  lane: number,
): Promise<ControlResult & Pick<CampaignOutcome, 'verdict'>> {
  const { engine, servers, programs, target, seed, signal } = context
  const isReal = kind === 'oncesink'
  const random = new SeededRandom(seed + lane)
  const kafka = await servers.kafka()
  const arena = await Arena.open({ engine, serverUrl: await servers.database(engine), kafka })
  try {
    const spec = arena.spec({
      maxRecords: RECORDS_PER_BATCH,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      ...(isReal && { member: 'one' }),
    })
    const begin = () => (isReal ? programs.job({ spec }) : programs.control({ spec, kind }))
    let kills = 0
    const settle = async () => {
      const life = begin()
      try {
        // One that has nothing left to write says nothing: how long it takes to begin is bounded, too.
        for (
          let [commits, idleMs] = [0, 0];
          idleMs < (commits === 0 ? BEGIN_MS : IDLE_MS);
          idleMs += POLL_MS
        ) {
          if (signal.aborted) break
          await sleep(POLL_MS)
          if (life.end) throw new JobFailed(`${kind} ended by itself: ${life.lastWords}`)
          if (life.commits !== commits) [commits, idleMs] = [life.commits, 0]
        }
      } finally {
        await life.kill()
      }
      return arena.witnessed()
    }
    const killOnce = async () => {
      await arena.produce(PER_LIFE)
      const life = begin()
      try {
        await life.until(() => life.commits > 0, FIRST_COMMIT_BOUND_MS)
        await sleep(random.integer(0, MAX_AFTER_COMMIT_MS))
      } finally {
        await life.kill()
      }
      if (life.commits === 0) throw new JobFailed(`${kind} has not written anything: ${life.lastWords}`)
      kills += 1
      context.onProgress(kills, {})
    }
    while (kills < target && !signal.aborted) await killOnce()
    let found = await settle()
    const isCaught = () => (kind === 'committed before' ? found.lost > 0 : found.duplicated > 0)
    while (
      !isReal &&
      !isCaught() &&
      kills < Math.max(MAX_KILLS, target * MAX_KILLS_FACTOR) &&
      !signal.aborted
    ) {
      for (let i = 0; i < LOOK_EVERY_KILLS; i++) await killOnce()
      found = await settle()
    }
    const verdict = isReal ? await arena.verify() : found
    const { lost, duplicated } = verdict
    return {
      kind,
      kills,
      lost,
      duplicated,
      caught: isReal ? null : isCaught(),
      cutShort: signal.aborted,
      verdict,
    }
  } finally {
    await arena.close()
  }
}
