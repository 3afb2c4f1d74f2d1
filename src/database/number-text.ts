/** Exponents beyond this are no column's value; they would only cost memory. */
const MAX_EXPONENT = 400
/** Most digits of a DECIMAL. A literal with more is read as another number, and the server only warns. */
const MAX_DIGITS = 65
/** Most digits of a BIGINT UNSIGNED. */
const MAX_INTEGER_DIGITS = 20

const pattern = /^\s*([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?\s*$/

/**
 * A decimal number as digits without an exponent, and without zeros that say nothing: `1.50e1` is `15`.
 * @param scale most digits after the point, null for any number; below 0 so many digits before it are zeros
 * @throws RangeError for what is no number, and for what the column would round or misread
 */
export function decimalLiteral(text: string, scale: number | null): string {
  const { negative, whole, fraction } = parse(text)
  if (scale !== null && fraction.length > Math.max(0, scale)) {
    throw new RangeError(
      `${text} has ${fraction.length} digits after the point and the column keeps ${Math.max(0, scale)}: declare more, or round the ` +
        'value in the job',
    )
  }
  if (scale !== null && scale < 0 && whole !== '0' && !whole.endsWith('0'.repeat(-scale))) {
    throw new RangeError(
      `${text} has digits that a column of scale ${scale} rounds away: declare it without, or round the value in the job`,
    )
  }
  if (whole.length + fraction.length > MAX_DIGITS) {
    throw new RangeError(`the number has more than ${MAX_DIGITS} digits`)
  }
  const magnitude = fraction === '' ? whole : `${whole}.${fraction}`
  return negative && magnitude !== '0' ? `-${magnitude}` : magnitude
}

/** @throws RangeError for what is no integer: the server would round it, without even a note */
export function integerLiteral(text: string): string {
  const { negative, whole, fraction } = parse(text)
  if (fraction !== '') throw new RangeError(`${text} is no integer, and the column keeps integers only`)
  if (whole.length > MAX_INTEGER_DIGITS)
    throw new RangeError(`${text} is out of the range of every integer type`)
  return negative && whole !== '0' ? `-${whole}` : whole
}

/**
 * A double as the shortest text that reads back as the same double, with an exponent: without one the server reads a
 * decimal.
 * @throws RangeError for what is no finite number
 */
export function doubleLiteral(text: string): string {
  parse(text)
  const value = Number(text)
  if (!Number.isFinite(value)) throw new RangeError(`${text} is out of the range of a double`)
  const shortest = String(value)
  return shortest.includes('e') ? shortest : `${shortest}e0`
}

interface Digits {
  readonly negative: boolean
  readonly whole: string
  readonly fraction: string
}

function parse(text: string): Digits {
  const match = pattern.exec(text)
  const [, sign, before = '', after = '', exponentText = '0'] = match ?? []
  if (before + after === '') throw new RangeError(notANumber(text))
  const exponent = Number(exponentText)
  if (Math.abs(exponent) > MAX_EXPONENT) throw new RangeError(`the exponent of ${text} is out of range`)
  const point = before.length + exponent
  const digits = before + after
  const whole = point <= 0 ? '' : digits.slice(0, point).padEnd(point, '0')
  const fraction = point < 0 ? '0'.repeat(-point) + digits : digits.slice(point)
  return {
    negative: sign === '-',
    whole: whole.replace(/^0+/, '') || '0',
    fraction: fraction.replace(/0+$/, ''),
  }
}

/** Text of any length may stand where a number should. */
function notANumber(text: string): string {
  const shown = text.length > 40 ? `${text.slice(0, 40)}...` : text
  return /^[+-]?(nan|inf(inity)?)$/i.test(text)
    ? `${shown} is no number that the server has`
    : `'${shown}' is no number, and the column keeps numbers`
}
