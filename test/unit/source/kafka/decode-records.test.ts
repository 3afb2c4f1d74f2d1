import { deflateRawSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeRecords } from '../../../../src/source/kafka/decode-records.ts'
import { scanRecordBatches } from '../../../../src/source/kafka/record-batch.ts'
import { recordHeaders, recordKey, recordOffset } from '../../../../src/source/record-fields.ts'
import type { RecordSegment } from '../../../../src/source/record-segment.ts'
import { type BatchRecord, encodeBatch, withChecksum } from '../../../support/record-batches.ts'

const where = { topic: 't', partition: 0 }

const text = fc.option(fc.string({ maxLength: 20 }), { nil: null })
const gappyRecords = (from: number): fc.Arbitrary<Required<BatchRecord>[]> =>
  fc
    .array(
      fc.record({
        gap: fc.nat(3),
        timestampMs: fc.oneof(fc.integer({ min: 0, max: 4e12 }), fc.constant(-1)),
        key: text,
        value: text,
        headers: fc.array(fc.tuple(fc.string({ maxLength: 5 }), text), { maxLength: 3 }),
      }),
      { minLength: 1, maxLength: 12 },
    )
    .map((records) => {
      let next = from
      return records.map(({ gap, ...record }) => {
        const offset = next + gap
        next = offset + 1
        return { ...record, offset }
      })
    })

function plain(segment: RecordSegment): Required<BatchRecord>[] {
  return Array.from({ length: segment.count }, (_, i) => {
    const key = recordKey(segment, i)
    const end = segment.valueEnd[i] ?? -1
    return {
      offset: recordOffset(segment, i),
      timestampMs: segment.timestamps[i] ?? Number.NaN,
      key: key === null ? null : Buffer.from(key).toString(),
      value: end === -1 ? null : segment.buffer.toString('utf8', segment.valueStart[i], end),
      headers: [...recordHeaders(segment, i)].map(([name, v]) => [
        name,
        v === null ? null : Buffer.from(v).toString(),
      ]),
    }
  })
}

/** Headers as a reader sees them: the last of a name counts, where the first stood. */
const asRead = (record: Required<BatchRecord>) => ({ ...record, headers: [...new Map(record.headers)] })

describe('decodeRecords', () => {
  test('reads back whatever was written, one batch or several in one segment', () => {
    fc.assert(
      fc.property(gappyRecords(100), gappyRecords(200), fc.nat(5), (first, second, tail) => {
        const lastOffset = (first.at(-1)?.offset ?? 0) + tail
        const bytes = Buffer.concat([
          Buffer.from('bytes of something else'),
          encodeBatch({ records: first, baseOffset: 98, lastOffset }),
          encodeBatch({ records: second }),
        ])
        const segment = decodeRecords(scanRecordBatches(bytes.subarray(23), where), where)
        expect(plain(segment)).toEqual([...first, ...second].map(asRead))
      }),
    )
  })

  test('records of a compressed batch are read from their own bytes', () => {
    fc.assert(
      fc.property(gappyRecords(0), (records) => {
        const bytes = encodeBatch({ records, codec: 1, compress: (b) => gzipSync(b) })
        expect(plain(decodeRecords(scanRecordBatches(bytes, where), where))).toEqual(records.map(asRead))
      }),
    )
  })

  test('with log-append time every record has the time at which the broker appended it', () => {
    const records = [
      { offset: 0, timestampMs: 1000, value: 'a' },
      { offset: 1, timestampMs: 5000, value: 'b' },
    ]
    const bytes = encodeBatch({ records, appendedAtMs: 1_700_000_000_000 })
    const segment = decodeRecords(scanRecordBatches(bytes, where), where)
    expect([...segment.timestamps]).toEqual([1_700_000_000_000, 1_700_000_000_000])
  })

  test('a codec that fails names partition and offset', () => {
    const bytes = encodeBatch({
      records: [{ offset: 7, value: 'a' }],
      codec: 1,
      compress: (b) => deflateRawSync(b),
    })
    expect(() => decodeRecords(scanRecordBatches(bytes, where), where)).toThrow(
      expect.objectContaining({
        code: 'RECORD_BATCH_CORRUPT',
        message: expect.stringMatching(/offset 7 of t\/0.*decompressed/),
        record: { topic: 't', partition: 0, offset: 7n },
      }),
    )
  })

  const good = () =>
    encodeBatch({
      records: [
        { offset: 0, value: 'a' },
        { offset: 1, value: 'b' },
      ],
    })
  test.each<[string, (batch: Buffer) => void, RegExp]>([
    ['more records than offsets', (batch) => batch.writeInt32BE(3, 57), /claims 3 records/],
    ['a negative number of records', (batch) => batch.writeInt32BE(-1, 57), /claims -1 records/],
    ['fewer records than bytes', (batch) => batch.writeInt32BE(1, 57), /end before the batch does/],
    ['a record longer than the batch', (batch) => batch.writeInt8(126, 61), /ends past the batch/],
    ['fields longer than their record', (batch) => batch.writeInt8(40, 66), /end past the record/],
    ['one offset twice', (batch) => batch.writeInt8(0, 72), /out of order/],
  ])('refuses %s even under a right checksum', (_, damage, message) => {
    const batch = good()
    damage(batch)
    withChecksum(batch)
    expect(() => decodeRecords(scanRecordBatches(batch, where), where)).toThrow(message)
  })
})
