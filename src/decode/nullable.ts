import { OncesinkError } from '../errors.ts'
import { describeValue } from '../model/excerpt.ts'
import type { Decoder } from './decoder.ts'
import { type AnyDecoder, decoderOf } from './decoder-of.ts'
import { type ShortCuts, shortCutsOf, withShortCuts } from './short-cuts.ts'
import type { StandardSchema } from './standard-schema.ts'

/**
 * Gives null for a record without a value (a tombstone) or, as a key decoder, for one without a key; everything else goes
 * to `decoder`.
 * @throws OncesinkError CONFIGURATION_INVALID for something that does not decode
 */
export function nullable<T>(decoder: StandardSchema<T>): Decoder<T | null>
export function nullable<T>(decoder: AnyDecoder<T>): Decoder<T | null>
export function nullable<T>(decoder: AnyDecoder<T>): Decoder<T | null> {
  const inner = decoderOf(decoder)
  if (!inner) {
    throw new OncesinkError(
      'CONFIGURATION_INVALID',
      `nullable() needs a decoder such as json(), a function or a Standard Schema (version 1), but got ${describeValue(decoder)}.`,
    )
  }
  const orNull: Decoder<T | null> = {
    name: `nullable ${inner.name}`,
    decode: (buffer, start, end, meta) => (end === -1 ? null : inner.decode(buffer, start, end, meta)),
  }
  // A block with null in it is none: its records are decoded one by one.
  return withShortCuts(orNull, { decodeBlock: (shortCutsOf(inner) as ShortCuts<T | null>).decodeBlock })
}
