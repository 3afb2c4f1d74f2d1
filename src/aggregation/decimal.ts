import { describeValue } from '../model/excerpt.ts'
import { type ExactInteger, exactInteger } from './exact-integer.ts'

/** Most digits after the point that every engine's decimal type holds. */
export const MAX_SCALE = 30

/** Decimals of up to 15 significant digits and doubles are one to one: reading one as a number loses nothing. */
const EXACT_DIGITS = 15
const EXACT_LIMIT = 10 ** EXACT_DIGITS

/** Powers of ten up to this one are exact as numbers. */
const MAX_EXACT_POWER = 22

/** Longest decimal string, and largest exponent, that is read. */
const MAX_TEXT = 1_000

const pattern = /^([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,4}))?$/

/** Reads values as integers scaled by a power of ten. */
export type ScaledReader = (value: unknown) => ExactInteger

/**
 * The reader for `scale` digits after the point. It gives `value * 10^scale` exactly, or throws an Error with the
 * reason; it never rounds.
 */
export function scaledReader(scale: number): ScaledReader {
  const power = 10 ** scale
  const fast = scale <= MAX_EXACT_POWER
  return (value) => {
    if (typeof value === 'number' && fast) {
      // If the division gives the number back, then value is the double of that decimal, and of no other as short.
      const scaled = Math.round(value * power)
      if (scaled / power === value && scaled < EXACT_LIMIT && scaled > -EXACT_LIMIT) return scaled
    }
    return readSlowly(value, scale)
  }
}

function readSlowly(value: unknown, scale: number): ExactInteger {
  if (typeof value === 'bigint') return exactInteger(value * 10n ** BigInt(scale))
  if (typeof value === 'number' && Number.isFinite(value)) {
    const text = String(value)
    if (!Number.isSafeInteger(value) && significantDigits(text) > EXACT_DIGITS) {
      throw new Error(
        `the number ${text} has more digits than a number holds exactly (${EXACT_DIGITS}): ` +
          'use a string or a bigint, or round it in the job',
      )
    }
    return readText(text, scale)
  }
  if (typeof value === 'string') return readText(value, scale)
  throw new Error(`expected a finite number, a bigint or a decimal string, but got ${describeValue(value)}`)
}

function readText(text: string, scale: number): ExactInteger {
  const match = text.length <= MAX_TEXT ? pattern.exec(text) : null
  if (!match)
    throw new Error(`${describeValue(text)} is not a decimal number of at most ${MAX_TEXT} characters`)
  const [, sign, integer = '', fraction = '', exponent = '0'] = match
  const digits = (integer + fraction).replace(/^0+/, '')
  if (digits === '') return 0
  if (Math.abs(Number(exponent)) > MAX_TEXT)
    throw new Error(`the exponent of ${describeValue(text)} is too large`)
  const shift = scale - fraction.length + Number(exponent)
  const kept = shift < 0 ? digits.slice(0, shift) : digits + '0'.repeat(shift)
  if (shift < 0 && /[1-9]/.test(digits.slice(shift))) {
    throw new Error(
      `${text} has more than ${scale} digits after the point (the scale): raise the scale, or round it in the job`,
    )
  }
  const magnitude = BigInt(kept === '' ? '0' : kept)
  return exactInteger(sign === '-' ? -magnitude : magnitude)
}

/** Digits of a number's own text that carry information. */
function significantDigits(text: string): number {
  const [mantissa = ''] = text.split('e')
  return mantissa.replace(/[-.]/g, '').replace(/^0+/, '').replace(/0+$/, '').length
}

/** The decimal text of `scaled / 10^scale` with exactly `scale` digits after the point. */
export function decimalText(scaled: ExactInteger, scale: number): string {
  const negative = scaled < 0
  const digits = String(scaled)
    .slice(negative ? 1 : 0)
    .padStart(scale + 1, '0')
  const point = digits.length - scale
  const text = scale === 0 ? digits : `${digits.slice(0, point)}.${digits.slice(point)}`
  return negative ? `-${text}` : text
}
