import type { TopicPartition } from '../../model/topic-partition.ts'
import type { JobEventBus } from '../../telemetry/events.ts'
import type { Connection } from '../dialect.ts'
import type { JobSession } from './session.ts'

/**
 * How long a claim waits for a batch, in milliseconds: that of an owner which has been replaced, so that there is nothing to
 * wait for.
 */
export const BATCH_PATIENCE_MS = 250
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

/**
 * Ends sessions of this job that hold the positions of these partitions for longer than a batch takes, and leaves the
 * positions as they are: for whoever writes under the claim that was before, and so has nothing to lock them with for long.
 * @throws OncesinkError the database's errors
 */
export async function freePositions(
  session: JobSession,
  events: JobEventBus,
  partitions: readonly TopicPartition[],
): Promise<void> {
  const connection = await session.connection()
  const trx = await connection.begin('claim')
  try {
    await endingBlockers(session, connection, events, BATCH_PATIENCE_MS, () =>
      trx.lockPositions(session.job, partitions),
    )
  } finally {
    await trx.rollback()
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
