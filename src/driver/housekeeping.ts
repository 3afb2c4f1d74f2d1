import type { JobSession } from '../database/protocol/session.ts'
import { asError } from '../errors.ts'
import type { Job } from '../job/job.ts'
import type { JobEventBus } from '../telemetry/events.ts'
import { isPassing } from './until-done.ts'

const INTERVAL_MS = 3_600_000

/**
 * Deletes ledger rows that are older than the job's retention: after the first batch, then once an hour. Called only
 * while no batch is in flight, because it shares the batch's connection.
 */
export class Housekeeping {
  readonly #deps: { readonly job: Job; readonly session: JobSession; readonly events: JobEventBus }
  #dueAt = Number.NEGATIVE_INFINITY

  constructor(deps: { readonly job: Job; readonly session: JobSession; readonly events: JobEventBus }) {
    this.#deps = deps
  }

  /** @throws whatever is not passing; a passing error is only reported, and tried again an hour later */
  async tidy(): Promise<void> {
    const { job, session, events } = this.#deps
    const now = session.runtime.clock.monotonicMs()
    if (now < this.#dueAt) return
    this.#dueAt = now + INTERVAL_MS
    try {
      await (await session.connection()).pruneLedger(job.name, job.ledger.retentionMs)
    } catch (thrown) {
      const error = asError(thrown)
      if (!isPassing(error)) throw error
      events.emit('warning', { message: `old ledger rows were not deleted: ${error.message}` })
    }
  }
}
