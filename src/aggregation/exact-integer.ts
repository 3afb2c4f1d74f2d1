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

/**
 * Whether `value` is an integer beyond the safe ones: other integers may have become the same number before it came
 * here (JSON's parser reads 9007199254740993 as 9007199254740992).
 */
export function isInexactInteger(value: number): boolean {
  return Number.isInteger(value) && !Number.isSafeInteger(value)
}

/** The one form of `value`. */
export function exactInteger(value: bigint): ExactInteger {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}
