/** An integer of any size: a number while it is safe, a bigint beyond. Every integer has one form only. */
export type ExactInteger = number | bigint

/** The sum, exactly. */
export function addExact(a: ExactInteger, b: ExactInteger): ExactInteger {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b
    if (Number.isSafeInteger(sum)) return sum
  }
  return exactInteger(BigInt(a) + BigInt(b))
}

/** The one form of `value`. */
export function exactInteger(value: bigint): ExactInteger {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}
