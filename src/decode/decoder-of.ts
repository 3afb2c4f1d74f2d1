import type { Decoder } from './decoder.ts'
import { type DecodeFunction, decoderFromFunction } from './from-function.ts'
import { decoderFromSchema } from './from-schema.ts'
import { isStandardSchema, type StandardSchema } from './standard-schema.ts'

/** Schemas of some libraries can be called: then they are no functions of the bytes. */
interface NoSchema {
  readonly '~standard'?: never
}

/** Everything that decodes. */
export type AnyDecoder<T> = Decoder<T> | (DecodeFunction<T> & NoSchema) | StandardSchema<T>

/** The decoder that `given` stands for; null when it is none. */
export function decoderOf<T>(given: AnyDecoder<T>): Decoder<T> | null {
  if (isStandardSchema(given)) return decoderFromSchema(given as StandardSchema<T>)
  if (typeof given === 'function') return decoderFromFunction(given)
  return typeof (given as Decoder<T> | null)?.decode === 'function' ? (given as Decoder<T>) : null
}
