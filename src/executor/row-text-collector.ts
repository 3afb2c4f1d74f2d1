import type { PartialResult, PlainMeta } from '../aggregation/partial-result.ts'
import { Kind, PlainDecimal, type ScannedFields } from '../decode/scan/scanned-fields.ts'
import type { RecordMeta } from '../model/record-meta.ts'
import { recordOffset } from '../source/record-fields.ts'
import type { RecordSegment } from '../source/record-segment.ts'
import { isMomentText } from './moment-bytes.ts'
import type { RowTextField, RowTextPlan } from './row-text-plan.ts'
import { RowTextWriter } from './row-text-writer.ts'

/** Powers of ten by exponent. */
const powers = Array.from({ length: 31 }, (_, exponent) => 10 ** exponent)

/** Below it `String` writes a number with an exponent. */
const SMALLEST_PLAIN = 1e-6
/** What a value takes at most that is no text and was read from bytes, and what every field takes besides, in bytes. */
const FIELD_BYTES = 32

const metaKinds = { topic: 'text', partition: 'number', offset: 'number', timestamp: 'moment' } as const

type FieldValue = string | number | boolean | Date | null

const decimal = new PlainDecimal()

/**
 * Writes one range's rows straight from the bytes of its records.
 *
 * Why that comes to the same as decoding every record and writing its values: bytes are copied only where they are what
 * the value would be written as (text without escapes is itself; a number of at most 15 digits has one shortest form,
 * which is its digits without zeros at the end; a moment in the form of toISOString is itself). Every other value is
 * made by the field's own reader, and written as any value is. A record of which a field is not what its declaration says
 * is not taken; nothing of it is left behind, and the general way says what becomes of it.
 */
export class RowTextCollector {
  /** What is not taken from bytes is decoded by the same scanner, one record at a time. */
  readonly isWorthwhile = true
  readonly #plan: RowTextPlan
  readonly #writer: RowTextWriter
  /** Of the last record's partition. */
  #topic = ''
  #topicBytes: Buffer = Buffer.alloc(0)

  constructor(plan: RowTextPlan) {
    this.#plan = plan
    this.#writer = new RowTextWriter([
      ...plan.fields.map(({ text }) => ({ kind: text, isOffset: false })),
      ...plan.metas.map((meta) => ({ kind: metaKinds[meta], isOffset: meta === 'offset' })),
    ])
  }

  /** @returns whether the row was written; if not, the record has to go the general way */
  add(segment: RecordSegment, i: number): boolean {
    const { access, fields, metas } = this.#plan
    const found = access.scanner.scanRecord(segment, i)
    if (found === null) return false
    const { at, starts, ends } = found
    // No field is written with more bytes than it has, or than a value has that is no text: an escape is never shorter.
    let room = 0
    for (let slot = 0; slot < fields.length; slot++) {
      room += FIELD_BYTES + Math.max(0, (ends[at + slot] as number) - (starts[at + slot] as number))
    }
    if (segment.topic !== this.#topic) this.#enterTopic(segment.topic)
    this.#writer.beginRow(room + metas.length * (FIELD_BYTES + this.#topicBytes.length))
    for (let slot = 0; slot < fields.length; slot++) {
      if (!this.#field(found, slot, fields[slot] as RowTextField)) return false
    }
    for (let n = 0; n < metas.length; n++) this.#meta(metas[n] as PlainMeta, segment, i)
    this.#writer.endRow()
    return true
  }

  /** Writes the row of a record that was decoded. */
  push(row: Readonly<Record<string, unknown>>, meta: RecordMeta<unknown>): void {
    const writer = this.#writer
    writer.beginRow(0)
    for (const { name } of this.#plan.access.fields) writer.value((row[name] ?? null) as FieldValue)
    for (const field of this.#plan.metas) writer.value(metaValue(field, meta))
    writer.endRow()
  }

  finish(): PartialResult {
    const { access, metas } = this.#plan
    const fields = access.fields.map(({ name }) => name)
    return { kind: 'row text', fields, metas, text: this.#writer.finish() }
  }

  #field(found: ScannedFields, slot: number, field: RowTextField): boolean {
    const { buffer, at, kinds, starts, ends } = found
    const start = starts[at + slot] as number
    const end = ends[at + slot] as number
    switch (kinds[at + slot]) {
      case Kind.missing:
      case Kind.null:
        if (!field.optional) return false
        this.#writer.null()
        return true
      case Kind.ascii:
        if (field.text === 'moment' && isMomentText(buffer, start, end)) {
          this.#writer.plain(buffer, start, end)
          return true
        }
        if (field.text !== 'text' || end - start > field.maxLength) break
        this.#writer.plainText(buffer, start, end)
        return true
      case Kind.utf8:
        if (field.text !== 'text' || end - start > field.maxLength) break
        this.#writer.plainText(buffer, start, end)
        return true
      case Kind.number:
        if (
          field.text === 'number' &&
          decimal.readFrom(found, slot) &&
          this.#number(buffer, start, end, field)
        )
          return true
        break
      default:
    }
    const value = this.#plan.access.read(found, slot)
    if (value === undefined) return false
    this.#writer.value(value as FieldValue)
    return true
  }

  /** @returns whether the bytes of `decimal`, without zeros at the end, are what `String` would write */
  #number(buffer: Buffer, start: number, end: number, { kind, scale, bound }: RowTextField): boolean {
    const { mantissa, scale: digits } = decimal
    const size = Math.abs(mantissa)
    if (digits > scale) return false
    if (kind !== 'double' && size * (powers[scale - digits] as number) >= bound) return false
    // -0 is written as 0, too.
    if (mantissa === 0 || size / (powers[digits] as number) < SMALLEST_PLAIN) return false
    let until = end
    let left = digits
    for (; left > 0 && buffer[until - 1] === 48; left--) until -= 1
    if (digits > 0 && left === 0) until -= 1
    this.#writer.number(buffer, start, until, left)
    return true
  }

  #meta(meta: PlainMeta, segment: RecordSegment, i: number): void {
    switch (meta) {
      case 'topic':
        this.#writer.plainText(this.#topicBytes, 0, this.#topicBytes.length)
        break
      case 'partition':
        this.#writer.count(segment.partition)
        break
      case 'offset':
        this.#writer.count(recordOffset(segment, i))
        break
      case 'timestamp':
        this.#writer.value(new Date(segment.timestamps[i] ?? 0))
        break
    }
  }

  /** Kafka allows letters, digits, dots, underscores and hyphens in it. */
  #enterTopic(topic: string): void {
    this.#topic = topic
    this.#topicBytes = Buffer.from(topic)
  }
}

function metaValue(field: PlainMeta, meta: RecordMeta<unknown>): FieldValue {
  switch (field) {
    case 'topic':
      return meta.topic
    case 'partition':
      return meta.partition
    case 'offset':
      return Number(meta.offset)
    case 'timestamp':
      return new Date(meta.timestampMs)
  }
}
