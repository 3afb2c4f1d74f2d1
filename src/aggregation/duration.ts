import { OncesinkError } from '../errors.ts'

const unitsMs = {
  millisecond: 1,
  second: 1_000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
} as const

type Unit = keyof typeof unitsMs

/** A length of time as a person writes it: `'5 seconds'`, `'1 minute'`, `'1 hour'`, `'1 day'`. */
export type Duration = `${number} ${Unit | `${Unit}s`}`

const pattern = /^([1-9]\d{0,8}) (millisecond|second|minute|hour|day)s?$/

/** Longer than any window that makes sense; keeps every product below a safe integer. */
const MAX_DAYS = 36_600

/**
 * Milliseconds of a duration.
 * @throws OncesinkError CONFIGURATION_INVALID unless it is a whole number from 1, one space and a unit, at most
 *   36,600 days
 */
export function durationMs(text: string): number {
  const match = pattern.exec(String(text))
  const ms = match ? Number(match[1]) * unitsMs[match[2] as Unit] : Number.NaN
  if (ms <= MAX_DAYS * unitsMs.day) return ms
  throw new OncesinkError(
    'CONFIGURATION_INVALID',
    `'${text}' is not a duration. Write a whole number, a space and a unit (millisecond, second, minute, hour or ` +
      `day), for example '1 minute' or '5 seconds'; at most ${MAX_DAYS} days.`,
  )
}
