import type { JobEventBus } from '../../telemetry/events.ts'
import type { Connection } from '../dialect.ts'
import type { JobSession } from './session.ts'

/** Time between two looks who holds the locks, in milliseconds. */
const LOOK_EVERY_MS = 250
/** The same after one has found somebody: an owner with several sessions may be in the way with the next one too. */
const LOOK_AGAIN_MS = 50

/**
 * Runs `claim` on `connection`, and when it has waited for locks for `patienceMs` ends the sessions of this job that
 * hold them: a stopped owner keeps its row locks for as long as its socket lives, and no server timeout ends it inside
 * COPY.
 *
 * Ending a session is safe at any time: its transaction is rolled back, or was already committed.
 */
export async function endingBlockers<T>(
  session: JobSession,
  connection: Connection,
  events: JobEventBus,
  patienceMs: number,
  claim: () => Promise<T>,
): Promise<T> {
  const settled = new AbortController()
  const watching = watch(session, connection, events, patienceMs, settled.signal)
  try {
    return await claim()
  } finally {
    settled.abort()
    await watching
  }
}

async function watch(
  session: JobSession,
  waiting: Connection,
  events: JobEventBus,
  patienceMs: number,
  settled: AbortSignal,
): Promise<void> {
  const { clock } = session.runtime
  await clock.sleep(patienceMs, settled)
  if (settled.aborted) return
  try {
    await session.beside(async (watcher) => {
      const warned = new Set<number>()
      while (!settled.aborted) {
        const blockers = await watcher.endBlockers(waiting.backend, session.job)
        for (const blocker of blockers) {
          if (blocker.ended) events.emit('blockerEnded', { application: blocker.application })
          else if (!warned.has(blocker.backend.id)) {
            warned.add(blocker.backend.id)
            events.emit('warning', {
              message: `the claim waits for a lock held by session ${blocker.backend.id} (${blocker.application}), which is not this job's: end it, or let it commit`,
            })
          }
        }
        await clock.sleep(blockers.some(({ ended }) => ended) ? LOOK_AGAIN_MS : LOOK_EVERY_MS, settled)
      }
    })
  } catch (error) {
    // Watching is help, not protocol: the claim itself ends by its own lock timeout and is tried again.
    events.emit('warning', { message: `could not look for sessions that block the claim: ${String(error)}` })
  }
}
