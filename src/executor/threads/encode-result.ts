import { groupText } from '../../aggregation/group-key.ts'
import type { Group, LatestRow, PartialResult, RowOrigin } from '../../aggregation/partial-result.ts'
import { asError, OncesinkError } from '../../errors.ts'
import type { DeadLetter } from '../../model/dead-letter.ts'
import { formatRange } from '../../model/offset-range.ts'
import { isPlainObject } from '../../model/plain-object.ts'
import type { ColumnValue, JsonText, KeyValue } from '../../model/values.ts'
import type { PartitionResult } from '../executor.ts'
import { type Column, decodeColumn, encodeColumn } from './columns.ts'
import { define, type Packed, packValue, type Transfers, unpackValue } from './pack-value.ts'

/*
 * A partition result on its way to the driver's thread. Groups and rows are objects by the thousand, and a structured
 * clone of an object writes down the name of every field: they travel as columns.
 */

export interface EncodedResult extends Omit<PartitionResult, 'partials' | 'deadLetters'> {
  readonly partials: readonly EncodedPartial[]
  /** Null where there are none. */
  readonly deadLetters: EncodedValue | null
}

interface EncodedValue {
  readonly value: unknown
  readonly buffers: boolean
}

type EncodedPartial =
  | {
      readonly kind: 'groups'
      readonly size: number
      /** Null where the key is its own text. */
      readonly texts: readonly string[] | null
      readonly keys: readonly Column[]
      readonly states: readonly Column[]
    }
  | { readonly kind: 'reduced'; readonly value: EncodedValue }
  | { readonly kind: 'rows'; readonly rows: EncodedRows; readonly metas: EncodedOrigins | null }
  /** As it is: its pieces are moved. */
  | Extract<PartialResult, { kind: 'row text' }>
  | {
      readonly kind: 'latest'
      readonly names: readonly string[]
      readonly texts: readonly string[]
      readonly topic: string
      readonly partition: number
      readonly keys: readonly Column[]
      /** Rows that are not null, and where they are. */
      readonly rows: EncodedRows
      readonly present: Uint8Array
    }

/** Objects with the same fields in the same order as columns; anything else as it is. */
type EncodedRows =
  | {
      readonly kind: 'columns'
      readonly size: number
      readonly fields: readonly string[]
      readonly columns: readonly Column[]
    }
  | { readonly kind: 'values'; readonly values: Column }

/** Origins of one range's rows: topic and partition are the range's. */
interface EncodedOrigins {
  readonly offsets: Column
  readonly timestampsMs: Column
  readonly keys: Column | null
  readonly headers: Column | null
}

/**
 * @param transfers gets what is moved, not copied
 * @throws OncesinkError JOB_FUNCTION_FAILED for rows and accumulators that cannot be sent
 */
export function encodeResult(result: PartitionResult, transfers: Transfers): EncodedResult {
  const { partials, deadLetters, ...rest } = result
  return {
    ...rest,
    deadLetters: deadLetters.length === 0 ? null : encodeValue(deadLetters, 'dead letters', transfers),
    partials: partials.map((partial, i) => {
      const suffix = partials.length === 1 ? '' : ` of pipeline ${i + 1}`
      try {
        return encodePartial(partial, suffix, transfers)
      } catch (error) {
        throw new OncesinkError(
          'JOB_FUNCTION_FAILED',
          `the result of ${formatRange(result.range)} cannot leave its worker thread: ${asError(error).message}. Nothing of its ` +
            'batch is committed.',
          { cause: error, partition: result.range },
        )
      }
    }),
  }
}

export function decodeResult(encoded: EncodedResult): PartitionResult {
  const { range } = encoded
  return {
    ...encoded,
    deadLetters: encoded.deadLetters ? (decodeValue(encoded.deadLetters) as readonly DeadLetter[]) : [],
    partials: encoded.partials.map((partial) => decodePartial(partial, range.topic, range.partition)),
  }
}

function encodePartial(partial: PartialResult, suffix: string, transfers: Transfers): EncodedPartial {
  switch (partial.kind) {
    case 'groups':
      return encodeGroups(partial.groups, transfers)
    case 'reduced':
      return { kind: 'reduced', value: encodeValue(partial.value, `the accumulator${suffix}`, transfers) }
    case 'rows': {
      const rows = encodeRows(partial.rows, `a row${suffix}`, transfers)
      return { kind: 'rows', rows, metas: partial.metas && encodeOrigins(partial.metas, transfers) }
    }
    case 'row text':
      // Each piece has memory of its own.
      for (const { buffer } of partial.text.pieces) transfers.push(buffer as ArrayBuffer)
      return partial
    case 'latest':
      return encodeLatest(partial, `a row${suffix}`, transfers)
  }
}

function decodePartial(encoded: EncodedPartial, topic: string, partition: number): PartialResult {
  switch (encoded.kind) {
    case 'groups':
      return { kind: 'groups', groups: decodeGroups(encoded) }
    case 'reduced':
      return { kind: 'reduced', value: decodeValue(encoded.value) }
    case 'rows': {
      const metas = encoded.metas && decodeOrigins(encoded.metas, topic, partition)
      return { kind: 'rows', rows: decodeRows(encoded.rows), metas }
    }
    case 'row text':
      return encoded
    case 'latest':
      return { kind: 'latest', names: encoded.names, latest: decodeLatest(encoded) }
  }
}

function encodeValue(value: unknown, name: string, transfers: Transfers): EncodedValue {
  const packed: Packed = { buffers: false }
  return { value: packValue(value, name, transfers, packed), buffers: packed.buffers }
}

function decodeValue({ value, buffers }: EncodedValue): unknown {
  return buffers ? unpackValue(value) : value
}

/** The columns of tuples that are all of one length. */
function encodeTuples(
  tuples: readonly (readonly unknown[])[],
  name: string,
  transfers: Transfers,
): readonly Column[] {
  return (tuples[0] ?? []).map((_, i) =>
    encodeColumn(
      tuples.map((tuple) => tuple[i]),
      name,
      transfers,
    ),
  )
}

function encodeGroups(groups: ReadonlyMap<string, Group>, transfers: Transfers): EncodedPartial {
  const texts = [...groups.keys()]
  const all = [...groups.values()]
  return {
    kind: 'groups',
    size: groups.size,
    texts: all.every(({ keys }, i) => keys.length === 1 && keys[0] === texts[i]) ? null : texts,
    keys: encodeTuples(
      all.map(({ keys }) => keys),
      'a key',
      transfers,
    ),
    states: encodeTuples(
      all.map(({ states }) => states),
      'the state of an aggregate',
      transfers,
    ),
  }
}

function decodeGroups({
  size,
  texts,
  keys: keyColumns,
  states: stateColumns,
}: Extract<EncodedPartial, { kind: 'groups' }>): Map<string, Group> {
  const keyValues = keyColumns.map(decodeColumn)
  const stateValues = stateColumns.map(decodeColumn)
  const groups = new Map<string, Group>()
  for (let i = 0; i < size; i++) {
    const keys = keyValues.map((column) => column[i] as KeyValue)
    const states = stateValues.map((column) => column[i])
    groups.set(texts?.[i] ?? groupText(keys), { keys, states })
  }
  return groups
}

function encodeRows(rows: readonly unknown[], name: string, transfers: Transfers): EncodedRows {
  const fields = commonFields(rows)
  if (!fields) return { kind: 'values', values: encodeColumn(rows, name, transfers) }
  const objects = rows as readonly Readonly<Record<string, unknown>>[]
  const columns = fields.map((field) =>
    encodeColumn(
      objects.map((row) => row[field]),
      `field '${field}' of ${name}`,
      transfers,
    ),
  )
  return { kind: 'columns', size: rows.length, fields, columns }
}

/** The fields that all rows have, in the same order; null where they differ, or are not of objects. */
function commonFields(rows: readonly unknown[]): readonly string[] | null {
  const [first] = rows
  if (!isPlainObject(first)) return null
  const fields = Object.keys(first)
  for (const row of rows) {
    if (!isPlainObject(row)) return null
    let i = 0
    for (const field in row) if (field !== fields[i++]) return null
    if (i !== fields.length) return null
  }
  return fields
}

function decodeRows(encoded: EncodedRows): unknown[] {
  if (encoded.kind === 'values') return [...decodeColumn(encoded.values)]
  const { size, fields } = encoded
  const columns = encoded.columns.map(decodeColumn)
  return Array.from({ length: size }, (_, row) => {
    const object: Record<string, unknown> = {}
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i] as string
      if (field === '__proto__') define(object, field, columns[i]?.[row])
      else object[field] = columns[i]?.[row]
    }
    return object
  })
}

function encodeOrigins(origins: readonly RowOrigin[], transfers: Transfers): EncodedOrigins {
  const [first] = origins
  const column = (name: string, values: readonly unknown[]) => encodeColumn(values, name, transfers)
  return {
    offsets: column(
      'an offset',
      origins.map(({ offset }) => offset),
    ),
    timestampsMs: column(
      'a timestamp',
      origins.map(({ timestampMs }) => timestampMs),
    ),
    keys:
      first && 'key' in first
        ? column(
            'a key',
            origins.map(({ key }) => key),
          )
        : null,
    headers:
      first && 'headers' in first
        ? column(
            'headers',
            origins.map(({ headers }) => headers?.json),
          )
        : null,
  }
}

function decodeOrigins(encoded: EncodedOrigins, topic: string, partition: number): RowOrigin[] {
  const offsets = decodeColumn(encoded.offsets) as readonly bigint[]
  const timestampsMs = decodeColumn(encoded.timestampsMs) as readonly number[]
  const keys = encoded.keys && (decodeColumn(encoded.keys) as readonly ColumnValue[])
  const headers = encoded.headers && (decodeColumn(encoded.headers) as readonly string[])
  return offsets.map((offset, i) => ({
    topic,
    partition,
    offset,
    timestampMs: timestampsMs[i] as number,
    ...(keys && { key: keys[i] as ColumnValue }),
    ...(headers && { headers: { json: headers[i] as string } satisfies JsonText }),
  }))
}

function encodeLatest(
  { names, latest }: Extract<PartialResult, { kind: 'latest' }>,
  name: string,
  transfers: Transfers,
): EncodedPartial {
  const all = [...latest.values()]
  const present = Uint8Array.from(all, ({ row }) => (row === null ? 0 : 1))
  transfers.push(present.buffer)
  return {
    kind: 'latest',
    names,
    texts: [...latest.keys()],
    topic: all[0]?.topic ?? '',
    partition: all[0]?.partition ?? 0,
    keys: encodeTuples(
      all.map(({ keys }) => keys),
      'a key',
      transfers,
    ),
    rows: encodeRows(
      all.map(({ row }) => row).filter((row) => row !== null),
      name,
      transfers,
    ),
    present,
  }
}

function decodeLatest(encoded: Extract<EncodedPartial, { kind: 'latest' }>): Map<string, LatestRow> {
  const { texts, topic, partition, present } = encoded
  const keyValues = encoded.keys.map(decodeColumn)
  const rows = decodeRows(encoded.rows)
  let next = 0
  return new Map(
    texts.map((text, i) => {
      const keys = keyValues.map((column) => column[i] as KeyValue)
      const row = present[i] === 1 ? (rows[next++] as NonNullable<LatestRow['row']>) : null
      return [text, { keys, row, topic, partition }]
    }),
  )
}
