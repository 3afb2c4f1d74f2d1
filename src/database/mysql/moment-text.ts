import { timestampMs } from '../../aggregation/timestamp.ts'

const pattern = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(?:[.,](\d+))?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?$/i

/**
 * A moment as the text of its UTC wall time, which is what DATETIME holds and what TIMESTAMP reads in a session of
 * UTC. Text with an offset is converted, text without one is UTC.
 * @param stepMs smallest step of the column: the server would round what is finer, without a word
 * @throws RangeError for what is no moment, or none that the column keeps
 */
export function momentText(value: string | Date, stepMs: number): string {
  const { ms, fraction } = value instanceof Date ? ofDate(value) : ofText(value)
  const digits = Math.round(3 - Math.log10(stepMs))
  if (fraction.length > digits) {
    throw new RangeError(
      `the time has ${fraction.length} digits of a second and the column keeps ${digits}: declare it as ` +
        `datetime(${Math.min(6, fraction.length)}), or round the value in the job`,
    )
  }
  return `${wallTime(ms)}${fraction === '' ? '' : `.${fraction}`}`
}

/** The day of a moment in UTC; the time of day is left out, as PostgreSQL does. */
export function dayText(value: string | Date): string {
  const { ms } = value instanceof Date ? ofDate(value) : ofText(value)
  return wallTime(ms).slice(0, 10)
}

interface Moment {
  /** Without the fraction of a second. */
  readonly ms: number
  /** Digits of a second, without zeros at the end. */
  readonly fraction: string
}

function ofDate(date: Date): Moment {
  const ms = date.getTime()
  if (Number.isNaN(ms)) throw new RangeError('the date is invalid')
  const rest = ((ms % 1000) + 1000) % 1000
  return { ms: ms - rest, fraction: withoutZeros(String(rest).padStart(3, '0')) }
}

function ofText(text: string): Moment {
  const match = pattern.exec(text.trim())
  if (!match) throw new RangeError(`'${text.slice(0, 40)}' is no point in time such as 2026-01-31T12:00:00Z`)
  const [, day, minutes = '00:00', seconds = ':00', fraction = '', zone = 'Z'] = match
  try {
    const ms = timestampMs(`${day}T${minutes}${seconds}${zone.toUpperCase()}`)
    return { ms, fraction: withoutZeros(fraction) }
  } catch (cause) {
    throw new RangeError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

function wallTime(ms: number): string {
  const text = new Date(ms).toISOString()
  // Before the year 1 there is a sign, and after 9999 too.
  if (!/^\d/.test(text) || text.startsWith('0000')) {
    throw new RangeError('the time is before the year 1 or after 9999, which no column holds')
  }
  return text.slice(0, 19).replace('T', ' ')
}

function withoutZeros(fraction: string): string {
  return fraction.replace(/0+$/, '')
}
