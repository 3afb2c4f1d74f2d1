/* Exact arithmetic on decimal texts: sums of money are compared digit by digit, never as floating point. */

const DECIMAL = /^\s*([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?\s*$/
/** Exponents beyond this are no column's value; they would only cost memory. */
const MAX_EXPONENT = 2_000

interface Decimal {
  readonly negative: boolean
  readonly digits: string
  /** How many of the digits stand after the point. */
  readonly scale: number
}

/** Null when `text` is not a decimal number. */
function parseDecimal(text: string): Decimal | null {
  const match = DECIMAL.exec(text)
  if (!match) return null
  const [, sign, whole = '', fraction = '', exponentText = '0'] = match
  const exponent = Number(exponentText)
  if (whole + fraction === '' || Math.abs(exponent) > MAX_EXPONENT) return null
  let digits = whole + fraction
  let scale = fraction.length - exponent
  if (scale < 0) {
    digits += '0'.repeat(-scale)
    scale = 0
  }
  return { negative: sign === '-', digits: digits.padStart(scale + 1, '0'), scale }
}

/** `-0012.3400` and `-1.234e1` are both `-12.34`; text that is no decimal number (NaN, Infinity) stays as it is. */
export function canonicalDecimal(text: string): string {
  const parsed = parseDecimal(text)
  if (!parsed) return text.trim()
  const { digits, scale } = parsed
  const whole = digits.slice(0, digits.length - scale).replace(/^0+(?=\d)/, '')
  const fraction = digits.slice(digits.length - scale).replace(/0+$/, '')
  const magnitude = fraction === '' ? whole : `${whole}.${fraction}`
  return parsed.negative && magnitude !== '0' ? `-${magnitude}` : magnitude
}

/** Rounded half away from zero to `scale` digits, as decimal columns do. */
export function roundDecimal(text: string, scale: number): string {
  const parsed = parseDecimal(text)
  if (!parsed || parsed.scale <= scale) return text
  const cut = 10n ** BigInt(parsed.scale - scale)
  const rounded = String((BigInt(parsed.digits) + cut / 2n) / cut).padStart(scale + 1, '0')
  const whole = rounded.slice(0, rounded.length - scale)
  return `${parsed.negative ? '-' : ''}${whole}${scale === 0 ? '' : `.${rounded.slice(-scale)}`}`
}

/** The exact sum of decimal texts; text that is no decimal number (NaN) counts as nothing. */
export function addDecimals(a: string, b: string): string {
  const left = parseDecimal(a)
  const right = parseDecimal(b)
  if (!left || !right) return left ? a : b
  const scale = Math.max(left.scale, right.scale)
  const sum = scaledTo(left, scale) + scaledTo(right, scale)
  const digits = String(sum < 0n ? -sum : sum).padStart(scale + 1, '0')
  const whole = digits.slice(0, digits.length - scale)
  return canonicalDecimal(`${sum < 0n ? '-' : ''}${whole}.${digits.slice(digits.length - scale)}`)
}

function scaledTo(decimal: Decimal, scale: number): bigint {
  return (decimal.negative ? -1n : 1n) * BigInt(decimal.digits) * 10n ** BigInt(scale - decimal.scale)
}
