/** What a finished batch says about the rate. */
export interface RateObservation {
  /** When it ended, by a clock that never jumps. */
  readonly endedAtMs: number
  readonly records: number
  readonly processingMs: number
  readonly schedulingDelayMs: number
}

export interface PidOptions {
  /** From the beginning of one batch to the next, in milliseconds; above 0. */
  readonly intervalMs: number
  /** Least rate that is ever estimated, in records per second; above 0. */
  readonly minRate: number
}

/** How much of the difference between the rate and what was processed is corrected at once. */
const PROPORTIONAL = 1
/** How much of the work that has piled up is subtracted for each interval. */
const INTEGRAL = 0.2
/** How much the change of the difference counts: nothing, it is mostly noise. */
const DERIVATIVE = 0

/**
 * Estimates the rate, in records per second, at which batches are processed within their interval. The idea, and the
 * values of the constants, are those of Spark Streaming's PIDRateEstimator:
 *
 * - the *error* is how much the last rate was above the rate at which the batch was processed;
 * - the *accumulated error* is the work that waits: the scheduling delay times the processing rate, over one interval;
 * - the new rate is the last one less a part of each.
 *
 * The first batch has no rate before it: its own processing rate is the estimate.
 */
export class PidRateEstimator {
  readonly #options: PidOptions
  #latest: { readonly atMs: number; readonly rate: number; readonly error: number } | null = null

  constructor(options: PidOptions) {
    this.#options = options
  }

  /** Records per second; null until a batch was observed. */
  get rate(): number | null {
    return this.#latest?.rate ?? null
  }

  /**
   * Batches without records, without a duration, or from before the last one say nothing.
   * @returns whether it was heeded
   */
  observe({ endedAtMs, records, processingMs, schedulingDelayMs }: RateObservation): boolean {
    const { intervalMs, minRate } = this.#options
    const says = records > 0 && processingMs > 0 && schedulingDelayMs >= 0 && Number.isFinite(endedAtMs)
    const processingRate = (records / processingMs) * 1_000
    if (!(says && Number.isFinite(processingRate) && Number.isFinite(schedulingDelayMs))) return false
    if (this.#latest === null) {
      this.#latest = { atMs: endedAtMs, rate: Math.max(minRate, processingRate), error: 0 }
      return true
    }
    const elapsedSeconds = (endedAtMs - this.#latest.atMs) / 1_000
    if (elapsedSeconds <= 0) return false
    const error = this.#latest.rate - processingRate
    const accumulatedError = (schedulingDelayMs * processingRate) / intervalMs
    const errorSlope = (error - this.#latest.error) / elapsedSeconds
    const rate =
      this.#latest.rate - PROPORTIONAL * error - INTEGRAL * accumulatedError - DERIVATIVE * errorSlope
    if (!Number.isFinite(rate)) return false
    this.#latest = { atMs: endedAtMs, rate: Math.max(minRate, rate), error }
    return true
  }
}
