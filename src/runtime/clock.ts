import { performance } from 'node:perf_hooks'

/** The only source of time. Nothing outside `runtime/` may call a timer or read a clock of its own. */
export interface Clock {
  /** Wall-clock time in milliseconds since 1970 (UTC). May jump; never used to measure a duration. */
  wallMs(): number
  /** Milliseconds since an arbitrary moment; never jumps back. Used for every duration and deadline. */
  monotonicMs(): number
  /**
   * Resolves after `ms` milliseconds, or at once when `signal` is or becomes aborted. It never rejects: the
   * caller looks at the signal.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Lets pending I/O and timers run, then resolves. */
  yield(): Promise<void>
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const done = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      signal?.addEventListener('abort', done, { once: true })
    }),
  yield: () => new Promise((resolve) => setImmediate(resolve)),
}
