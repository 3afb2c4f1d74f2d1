import type { RateController } from '../../../src/rate/rate.ts'

/** What batches cost, in milliseconds; may change while it runs. */
export interface Plant {
  /** Decoding and aggregating one record. */
  readonly computeRecordMs: number
  /** Writing one record. */
  readonly writeRecordMs: number
  /** Round trips, COMMIT, rows that every batch updates. */
  readonly fixedMs: number
}

export interface RunBatch {
  readonly limitRecords: number
  readonly records: number
  readonly processingMs: number
  readonly schedulingDelayMs: number
  readonly endedAtMs: number
}

export interface RunOptions {
  readonly plant: Plant | ((batch: number) => Plant)
  /** There at the beginning. */
  readonly backlogRecords: number
  readonly intervalMs?: number
  /** Arriving all the time. Default 0. */
  readonly recordsPerSecond?: number
  /** Batches to run at most. Default: until there is nothing left. */
  readonly batches?: number
  /** Multiplies each duration. Default: 1, always. */
  readonly noise?: () => number
}

/**
 * Runs batches of simulated costs as the driver does: the next one is computed while the previous one commits, so a
 * controller hears of a batch when the next one is planned already.
 */
export function run(controller: RateController, options: RunOptions): RunBatch[] {
  const { plant, intervalMs = 0, recordsPerSecond = 0, noise = () => 1 } = options
  const history: RunBatch[] = []
  let taken = 0
  let now = 0
  let due = 0
  let inFlight: RunBatch | null = null
  for (let i = 0; i < (options.batches ?? Number.POSITIVE_INFINITY); i += 1) {
    const lateMs = intervalMs === 0 ? 0 : Math.max(0, now - due)
    if (intervalMs > 0) now = Math.max(now, due)
    due = Math.max(due + intervalMs, now)
    const there = Math.floor(options.backlogRecords + (recordsPerSecond * now) / 1_000) - taken
    if (there === 0 && recordsPerSecond === 0) break
    const { maxRecords } = controller.next(1)
    const records = Math.min(maxRecords, there)
    if (records === 0) {
      now += Math.max(1, intervalMs)
      continue
    }
    taken += records
    const { computeRecordMs, writeRecordMs, fixedMs } = typeof plant === 'function' ? plant(i) : plant
    const computeMs = records * computeRecordMs * noise()
    const writeMs = (fixedMs + records * writeRecordMs) * noise()
    const computedAt = now + computeMs
    now = Math.max(computedAt, inFlight?.endedAtMs ?? 0)
    if (inFlight) controller.observe(inFlight)
    inFlight = {
      limitRecords: maxRecords,
      records,
      processingMs: computeMs + writeMs,
      schedulingDelayMs: lateMs + now - computedAt,
      endedAtMs: now + writeMs,
    }
    history.push(inFlight)
  }
  return history
}

/** When everything had committed, in milliseconds. */
export function endOf(history: readonly RunBatch[]): number {
  return history.at(-1)?.endedAtMs ?? 0
}
