import { OncesinkError } from '../errors.ts'
import { describeValue, excerpt } from '../model/excerpt.ts'
import { isPlainObject, unknownFields } from '../model/plain-object.ts'
import type { Decoder } from './decoder.ts'
import { JsonBlockParser } from './json-block.ts'
import { parseJson } from './json-text.ts'
import { hasLongNumber, inexactNumber, withRawNumbers } from './raw-numbers.ts'
import { RecordScanner } from './scan/record-scanner.ts'
import { scannedReader } from './scan/scanned-reader.ts'
import { type DecodedBlock, type ValueAccess, withShortCuts } from './short-cuts.ts'
import { NoBytes } from './utf8.ts'

export interface JsonOptions {
  /**
   * What becomes of a number that a JavaScript number does not hold as it is written, such as 9007199254740993 or
   * 0.10000000000000000001. `nearest` takes the nearest number, as `JSON.parse` does, and nobody learns of it; `exact`
   * fails the record. The default is `nearest`, which costs nothing.
   */
  readonly numbers?: 'nearest' | 'exact'
}

/**
 * Values are JSON texts in UTF-8. `T` is a claim about the data that nothing checks: a record of another form shows
 * where a function of the job trips over it.
 *
 * A record fails when it has no value (a tombstone), is not valid UTF-8, or is not JSON (which a leading byte order
 * mark is not either). Of several fields with one name the last one counts.
 * @throws OncesinkError CONFIGURATION_INVALID for an unknown option
 */
export function json<T>(options: JsonOptions = {}): Decoder<T> {
  const exact = readNumbers(options) === 'exact'
  const blocks = new JsonBlockParser()
  const decoder: Decoder<T> = {
    name: 'json',
    decode(buffer, start, end) {
      if (end === -1) throw new NoBytes()
      const { text, value } = parseJson(buffer, start, end)
      if (exact && hasLongNumber(text)) refuseInexact(value, withRawNumbers(text))
      return value as T
    },
  }
  return withShortCuts(decoder, {
    // With `exact`, what the whole text holds decides about a record, not only what is read of it.
    ...(!exact && { accessTo }),
    decodeBlock({ buffer, valueStart, valueEnd }, begin, end) {
      const block = blocks.parse(buffer, valueStart, valueEnd, begin, end)
      if (block === null || (exact && hasLongNumber(block.text))) return null
      return block as DecodedBlock<T>
    },
  })
}

/**
 * Properties of the object that JSON.parse makes. Those that are missing are left to it: an object has others than its own.
 */
function accessTo(names: readonly string[]): ValueAccess {
  const scanner = new RecordScanner(names.map((name) => [name]))
  return { scanner, read: scannedReader(false, (value) => value) }
}

/** @throws Error that names the first number that a double does not hold */
export function refuseInexact(value: unknown, raw: unknown): void {
  const inexact = inexactNumber(value, raw)
  if (!inexact) return
  const where = inexact.path === '' ? '' : ` at ${inexact.path}`
  throw new Error(
    `the number ${excerpt(inexact.written).slice(1, -1)}${where} has more digits than a number holds: produce it as a string`,
  )
}

function readNumbers(options: unknown): JsonOptions['numbers'] {
  const invalid = (message: string) => new OncesinkError('CONFIGURATION_INVALID', `json(): ${message}.`)
  if (!isPlainObject(options)) throw invalid(`needs an options object, but got ${describeValue(options)}`)
  const [unknown] = unknownFields(options, ['numbers'])
  if (unknown !== undefined) throw invalid(`has no option '${unknown}': its option is numbers`)
  const { numbers = 'nearest' } = options
  if (numbers === 'nearest' || numbers === 'exact') return numbers
  throw invalid(`'numbers' must be 'nearest' or 'exact', but is ${describeValue(numbers)}`)
}
