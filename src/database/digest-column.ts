/*
 * A digest has 64 bits without a sign, and a BIGINT has 64 bits with one: the same bits mean both.
 */

/** What a BIGINT column holds for a digest: from -2^63 to 2^63 - 1. */
export function digestToColumn(digest: bigint | null): bigint | null {
  return digest === null ? null : BigInt.asIntN(64, digest)
}

/** The digest that a BIGINT column holds: from 0 to 2^64 - 1. */
export function digestFromColumn(text: string | null): bigint | null {
  return text === null ? null : BigInt.asUintN(64, BigInt(text))
}
