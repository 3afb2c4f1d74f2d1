const [HYPHEN, POINT, COLON, CAPITAL_T, CAPITAL_Z] = [45, 46, 58, 84, 90]

/**
 * Whether `buffer[start, end)` is a moment just as `toISOString` writes it: `2026-01-31T12:00:00.000Z`, of the years 1 to
 * 9999, on a day that there is.
 */
export function isMomentText(buffer: Uint8Array, start: number, end: number): boolean {
  const punctuated =
    end - start === 24 &&
    buffer[start + 4] === HYPHEN &&
    buffer[start + 7] === HYPHEN &&
    buffer[start + 10] === CAPITAL_T &&
    buffer[start + 13] === COLON &&
    buffer[start + 16] === COLON &&
    buffer[start + 19] === POINT &&
    buffer[start + 23] === CAPITAL_Z
  if (!punctuated) return false
  const year = twoDigits(buffer, start) * 100 + twoDigits(buffer, start + 2)
  const month = twoDigits(buffer, start + 5)
  const day = twoDigits(buffer, start + 8)
  const milliseconds = twoDigits(buffer, start + 20) * 10 + digit(buffer, start + 22)
  // What has no digit somewhere is NaN, of which nothing is true.
  return (
    year >= 1 &&
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    day <= daysIn(year, month) &&
    twoDigits(buffer, start + 11) <= 23 &&
    twoDigits(buffer, start + 14) <= 59 &&
    twoDigits(buffer, start + 17) <= 59 &&
    milliseconds >= 0
  )
}

function twoDigits(buffer: Uint8Array, at: number): number {
  return digit(buffer, at) * 10 + digit(buffer, at + 1)
}

function digit(buffer: Uint8Array, at: number): number {
  const value = (buffer[at] as number) - 48
  return value >= 0 && value <= 9 ? value : Number.NaN
}

function daysIn(year: number, month: number): number {
  if (month !== 2) return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
}
