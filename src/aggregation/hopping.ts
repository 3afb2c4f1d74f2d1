import { OncesinkError } from '../errors.ts'
import type { RawKey, RecordMeta } from '../model/record-meta.ts'
import type { Selector } from './aggregate.ts'
import { type Duration, durationMs } from './duration.ts'
import { refuseUnknownOptions } from './refuse-unknown-options.ts'
import { timestampMs } from './timestamp.ts'
import { windowStart } from './tumbling.ts'

/** Most windows that one record is in: each is a row to write. */
const MAX_WINDOWS = 1_000

/** A group key that is an event-time window, of which several hold one record. */
export interface HoppingFunction<in T, in Key = RawKey> {
  /** Starts of all windows that hold the record, the newest first. */
  (value: T, meta: RecordMeta<Key>): readonly Date[]
  /** Length of a window in milliseconds. */
  readonly windowMs: number
  /** From the start of one window to the start of the next, in milliseconds. */
  readonly everyMs: number
}

export interface HoppingOptions {
  /** Length of a window: `'1 hour'`. */
  readonly size: Duration
  /** From the start of one window to the start of the next: `'5 minutes'`. `size` is a multiple of it, at most 1,000. */
  readonly every: Duration
}

/**
 * A key that is the start of a window, as a Date, where windows overlap: a record adds to `size / every` rows, one for
 * each window that holds it. Starts are the multiples of `every` since 1970-01-01T00:00:00Z; a window includes its start
 * and excludes its end. They never close: a late record adds to the rows of its windows. A group has one such key at most.
 *
 * @param at when the record happened, as for `tumbling`
 * @throws OncesinkError CONFIGURATION_INVALID for an unknown option, a length that is not a duration, and a `size`
 *   that is not a multiple of `every` or more than 1,000 times as long
 */
export function hopping<T, Key>(
  options: HoppingOptions,
  at: Selector<T, string | Date | number, Key>,
): HoppingFunction<T, Key> {
  refuseUnknownOptions('hopping', options, ['size', 'every'])
  const [windowMs, everyMs] = [durationMs(options?.size), durationMs(options?.every)]
  const windows = windowMs / everyMs
  if (!Number.isInteger(windows) || windows > MAX_WINDOWS) {
    throw new OncesinkError(
      'CONFIGURATION_INVALID',
      `hopping needs a size that is a multiple of every, and at most ${MAX_WINDOWS} times as long, but got ` +
        `'${options.size}' every '${options.every}'.`,
    )
  }
  const startsOf = (value: T, meta: RecordMeta<Key>): Date[] => {
    const newest = windowStart(timestampMs(at(value, meta)), everyMs)
    // The oldest is a Date only if it is not before the first one; then so are all.
    windowStart(newest - windowMs + everyMs, everyMs)
    return Array.from({ length: windows }, (_, i) => new Date(newest - i * everyMs))
  }
  return Object.assign(startsOf, { windowMs, everyMs })
}
