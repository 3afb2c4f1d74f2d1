import { describeValue } from '../model/excerpt.ts'

const MAX_DATE_MS = 8.64e15

const pattern =
  /^(\d{4}|[+-]\d{6})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(Z|[+-]\d\d(?::?\d\d)?)?)?$/

/**
 * Milliseconds since 1970 of a point in time: an ISO 8601 string with `Z` or an offset (a date alone is UTC), a Date,
 * or a number of milliseconds. Fractions of a millisecond are cut off, towards the past.
 * @throws Error with the reason
 */
export function timestampMs(value: unknown): number {
  const ms =
    typeof value === 'string' ? parseIso(value) : value instanceof Date ? value.getTime() : asNumber(value)
  if (Math.abs(ms) <= MAX_DATE_MS) return Math.floor(ms)
  throw new Error(`expected a point in time, but got ${describeValue(value)}`)
}

function asNumber(value: unknown): number {
  return typeof value === 'number' ? value : Number.NaN
}

/** `2026-01-31T12:00:00Z` and `2026-01-31T12:00:00.000Z`, which is how nearly all of them look, without a regular expression. */
function parseCommon(text: string): number {
  const { length } = text
  const punctuated =
    (length === 20 || (length === 24 && text.charCodeAt(19) === 46)) &&
    text.charCodeAt(4) === 45 &&
    text.charCodeAt(7) === 45 &&
    text.charCodeAt(10) === 84 &&
    text.charCodeAt(13) === 58 &&
    text.charCodeAt(16) === 58 &&
    text.charCodeAt(length - 1) === 90
  if (!punctuated) return Number.NaN
  const year = twoDigits(text, 0) * 100 + twoDigits(text, 2)
  const [month, day] = [twoDigits(text, 5), twoDigits(text, 8)]
  const [hour, minute, second] = [twoDigits(text, 11), twoDigits(text, 14), twoDigits(text, 17)]
  const millis = length === 20 ? 0 : twoDigits(text, 20) * 10 + digit(text, 22)
  if (!(month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month))) return Number.NaN
  if (!(hour <= 23 && minute <= 59 && second <= 59)) return Number.NaN
  return daysSince1970(year, month, day) * 86_400_000 + ((hour * 60 + minute) * 60 + second) * 1000 + millis
}

function twoDigits(text: string, at: number): number {
  return digit(text, at) * 10 + digit(text, at + 1)
}

/** NaN for anything but 0 to 9, which makes the whole time NaN. */
function digit(text: string, at: number): number {
  const value = text.charCodeAt(at) - 48
  return value >= 0 && value <= 9 ? value : Number.NaN
}

/** Date.parse is not used: it reads times without an offset in the local zone, and 30 February as 2 March. */
function parseIso(text: string): number {
  const common = parseCommon(text)
  if (!Number.isNaN(common)) return common
  const match = pattern.exec(text)
  if (!match) {
    throw new Error(`expected an ISO 8601 time such as 2026-01-31T12:00:00Z, but got ${describeValue(text)}`)
  }
  const [, year, month, day, hour, minute, second = '0', fraction = '', zone] = match
  if (hour !== undefined && zone === undefined) {
    throw new Error(
      `${describeValue(text)} says neither Z nor an offset: which moment it means depends on the zone`,
    )
  }
  const [y, mo, d] = [Number(year), Number(month), Number(day)]
  const [h, mi, s] = [Number(hour ?? 0), Number(minute ?? 0), Number(second)]
  const offset = offsetMinutes(zone)
  if (mo < 1 || mo > 12 || d < 1 || d > daysIn(y, mo) || h > 23 || mi > 59 || s > 59 || offset === null) {
    throw new Error(`${describeValue(text)} is not a time that exists`)
  }
  const millis = fraction === '' ? 0 : Number(fraction.slice(0, 3).padEnd(3, '0'))
  return daysSince1970(y, mo, d) * 86_400_000 + ((h * 60 + mi - offset) * 60 + s) * 1000 + millis
}

/** Null when there is no such offset. */
function offsetMinutes(zone: string | undefined): number | null {
  if (zone === undefined || zone === 'Z') return 0
  const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(3).replace(':', ''))]
  if (hours > 23 || minutes > 59) return null
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes)
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

/** Days since 1970-01-01 in the proleptic Gregorian calendar, counted in years that begin in March. */
function daysSince1970(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1
  return y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719_468
}
