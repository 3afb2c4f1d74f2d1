import type { ReadField } from '../field-reader.ts'
import { hasLongNumber, withRawNumbers } from '../raw-numbers.ts'
import { Kind, PlainDecimal, type ScannedFields } from './scanned-fields.ts'

/** The value of a slot; undefined where the long way, over JSON.parse, has to say what becomes of the record. */
export type ReadScanned = (found: ScannedFields, slot: number) => unknown

const decimal = new PlainDecimal()

/**
 * Reads scanned values with the very function that reads parsed ones. Whatever that refuses is refused the long way, so
 * that every error is made in one place.
 */
export function scannedReader(optional: boolean, read: ReadField): ReadScanned {
  return (found, slot) => {
    const kind = found.kinds[found.at + slot]
    if (kind === Kind.missing || kind === Kind.null) return optional ? null : undefined
    try {
      return readAs(read, found, slot)
    } catch {
      return undefined
    }
  }
}

function readAs(read: ReadField, found: ScannedFields, slot: number): unknown {
  const { buffer, at, kinds } = found
  const start = found.starts[at + slot] as number
  const end = found.ends[at + slot] as number
  switch (kinds[at + slot]) {
    case Kind.true:
      return read(true, null)
    case Kind.false:
      return read(false, null)
    case Kind.number: {
      if (decimal.read(buffer, start, end)) return read(decimal.toNumber(), null)
      const written = buffer.toString('latin1', start, end)
      return read(Number(written), written)
    }
    case Kind.ascii:
      return read(buffer.toString('latin1', start, end), null)
    case Kind.utf8:
      return read(buffer.toString('utf8', start, end), null)
    case Kind.escaped:
      return read(JSON.parse(buffer.toString('utf8', start - 1, end + 1)), null)
    default: {
      const text = buffer.toString('utf8', start, end)
      return read(JSON.parse(text), hasLongNumber(text) ? withRawNumbers(text) : null)
    }
  }
}
