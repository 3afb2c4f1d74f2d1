import { type Packed, packValue, type Transfers, unpackValue } from './pack-value.ts'

/*
 * Values of one kind, one after another: numbers, bigints, times and bytes lie in memory that is moved to the other
 * thread, not copied. Everything else is an array.
 */
export type Column =
  | { readonly kind: 'numbers'; readonly values: Float64Array }
  | { readonly kind: 'bigints'; readonly values: BigInt64Array }
  /** Milliseconds since 1970. */
  | { readonly kind: 'dates'; readonly values: Float64Array }
  /** One after another; where each ends. */
  | {
      readonly kind: 'bytes'
      readonly bytes: Uint8Array
      readonly ends: Float64Array
      readonly buffers: boolean
    }
  | { readonly kind: 'values'; readonly values: readonly unknown[]; readonly buffers: boolean }

const MIN_INT64 = -(2n ** 63n)
const MAX_INT64 = 2n ** 63n - 1n

/**
 * @param name of the values in messages
 * @throws Error where one of them cannot be sent
 */
export function encodeColumn(values: readonly unknown[], name: string, transfers: Transfers): Column {
  const column = encodeUniform(values) ?? encodeAny(values, name, transfers)
  if (column.kind === 'values') return column
  const views = column.kind === 'bytes' ? [column.bytes, column.ends] : [column.values]
  for (const { buffer } of views) transfers.push(buffer as ArrayBuffer)
  return column
}

function encodeUniform(values: readonly unknown[]): Column | null {
  const [first] = values
  if (typeof first === 'number') {
    return values.every((value) => typeof value === 'number')
      ? { kind: 'numbers', values: Float64Array.from(values as number[]) }
      : null
  }
  if (typeof first === 'bigint') {
    return values.every((value) => typeof value === 'bigint' && value >= MIN_INT64 && value <= MAX_INT64)
      ? { kind: 'bigints', values: BigInt64Array.from(values as bigint[]) }
      : null
  }
  if (first instanceof Date) {
    return values.every((value) => value instanceof Date)
      ? { kind: 'dates', values: Float64Array.from(values as Date[], (date) => date.getTime()) }
      : null
  }
  if (!(first instanceof Uint8Array)) return null
  const buffers = Buffer.isBuffer(first)
  if (!values.every((value) => value instanceof Uint8Array && Buffer.isBuffer(value) === buffers)) return null
  return encodeBytes(values as readonly Uint8Array[], buffers)
}

function encodeBytes(values: readonly Uint8Array[], buffers: boolean): Column {
  const bytes = new Uint8Array(values.reduce((sum, { length }) => sum + length, 0))
  const ends = new Float64Array(values.length)
  let end = 0
  for (const [i, value] of values.entries()) {
    bytes.set(value, end)
    end += value.length
    ends[i] = end
  }
  return { kind: 'bytes', bytes, ends, buffers }
}

function encodeAny(values: readonly unknown[], name: string, transfers: Transfers): Column {
  const packed: Packed = { buffers: false }
  const moved = packValue(values, name, transfers, packed) as readonly unknown[]
  return { kind: 'values', values: moved, buffers: packed.buffers }
}

export function decodeColumn(column: Column): readonly unknown[] {
  switch (column.kind) {
    case 'numbers':
      return Array.from(column.values)
    case 'bigints':
      return Array.from(column.values)
    case 'dates':
      return Array.from(column.values, (ms) => new Date(ms))
    case 'bytes':
      return decodeBytes(column)
    case 'values':
      return column.buffers ? (unpackValue(column.values) as readonly unknown[]) : column.values
  }
}

function decodeBytes({ bytes, ends, buffers }: Extract<Column, { kind: 'bytes' }>): Uint8Array[] {
  const whole = buffers ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) : bytes
  return Array.from(ends, (end, i) => whole.subarray(i === 0 ? 0 : ends[i - 1], end))
}
