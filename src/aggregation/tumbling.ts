import type { RawKey, RecordMeta } from '../model/record-meta.ts'
import type { Selector } from './aggregate.ts'
import { type Duration, durationMs } from './duration.ts'
import { timestampMs } from './timestamp.ts'

/** A group key that is an event-time window. */
export interface WindowFunction<in T, in Key = RawKey> {
  (value: T, meta: RecordMeta<Key>): Date
  /** Length of the window in milliseconds. */
  readonly windowMs: number
}

/**
 * A key that is the start of the record's window, as a Date. Windows follow one another without gaps and are aligned
 * to 1970-01-01T00:00:00Z; a window includes its start and excludes its end. They never close: a late record adds to
 * the row of its window.
 *
 * @param length for example `'1 minute'`, `'5 seconds'`, `'1 hour'`, `'1 day'`
 * @param at when the record happened: an ISO 8601 string with `Z` or an offset (a date alone is UTC), a Date, or
 *   milliseconds since 1970. A record fails for which it gives anything else.
 * @throws OncesinkError CONFIGURATION_INVALID for a length that is not a duration
 */
export function tumbling<T, Key>(
  length: Duration,
  at: Selector<T, string | Date | number, Key>,
): WindowFunction<T, Key> {
  const windowMs = durationMs(length)
  // Records of one window tend to follow each other, and one string to be that of the record before.
  let lastText: string | null = null
  let lastStart = 0
  const startOf = (value: T, meta: RecordMeta<Key>): Date => {
    const time = at(value, meta)
    if (time !== lastText) {
      lastStart = windowStart(timestampMs(time), windowMs)
      lastText = typeof time === 'string' ? time : null
    }
    return new Date(lastStart)
  }
  return Object.assign(startOf, { windowMs })
}

/**
 * The largest multiple of `windowMs` that is not after `ms`.
 * @throws Error when it is before the earliest Date
 */
export function windowStart(ms: number, windowMs: number): number {
  const start = Math.floor(ms / windowMs) * windowMs
  if (!Number.isNaN(new Date(start).getTime())) return start
  throw new Error(`a window that begins at ${start} ms since 1970 begins before the earliest Date`)
}
