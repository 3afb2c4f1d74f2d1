import { describe, expect, test } from 'vitest'
import { decodeRecords } from '../../../../src/source/kafka/decode-records.ts'
import { scanRecordBatches } from '../../../../src/source/kafka/record-batch.ts'
import { encodeBatch } from '../../../support/record-batches.ts'

const where = { topic: 'orders', partition: 3 }
const two = Buffer.concat([
  encodeBatch({
    records: [
      { offset: 5, value: 'a' },
      { offset: 6, value: 'b' },
    ],
    lastOffset: 9,
    leaderEpoch: 4,
  }),
  encodeBatch({ records: [{ offset: 10, value: 'c' }] }),
])

describe('scanRecordBatches', () => {
  test('a batch ends where its last offset says, also when compaction has removed its last records', () => {
    const batches = scanRecordBatches(two, where)
    expect(
      batches.map(({ baseOffset, nextOffset, count, leaderEpoch }) => [
        baseOffset,
        nextOffset,
        count,
        leaderEpoch,
      ]),
    ).toEqual([
      [5, 10, 2, 4],
      [10, 11, 1, 0],
    ])
  })

  test('a batch that the response cuts off at any byte is left out, and those before it are kept', () => {
    const first = scanRecordBatches(two, where)[0]?.size ?? 0
    for (let length = 0; length < two.length; length++) {
      const batches = scanRecordBatches(two.subarray(0, length), where)
      expect(batches.length).toBe(length < first ? 0 : 1)
    }
  })

  test('an empty batch that compaction kept still moves the end forward', () => {
    const [batch] = scanRecordBatches(encodeBatch({ baseOffset: 20, lastOffset: 29, records: [] }), where)
    expect(batch).toMatchObject({ baseOffset: 20, nextOffset: 30, count: 0 })
  })

  test('an older record format is refused by name, with the place', () => {
    const old = Buffer.from(two)
    old.writeInt8(1, 16)
    expect(() => scanRecordBatches(old, where)).toThrow(
      expect.objectContaining({
        code: 'RECORD_BATCH_CORRUPT',
        message: expect.stringMatching(/offset 5 of orders\/3.*format 1/),
        record: { topic: 'orders', partition: 3, offset: 5n },
      }),
    )
  })

  test('offsets past the safe integers are refused', () => {
    const far = Buffer.from(two)
    far.writeBigInt64BE(2n ** 53n - 3n, 0)
    expect(() => scanRecordBatches(far, where)).toThrow(/safe integers/)
    far.writeBigInt64BE(-1n, 0)
    expect(() => scanRecordBatches(far, where)).toThrow(/safe integers/)
  })

  test('a length shorter than a header is refused instead of read for ever', () => {
    const short = Buffer.from(two)
    short.writeInt32BE(-12, 8)
    expect(() => scanRecordBatches(short, where)).toThrow(/length 0/)
  })
})

describe('decodeRecords', () => {
  test('any changed byte after the checksum is noticed', () => {
    const good = encodeBatch({ records: [{ offset: 5, key: 'k', value: 'value', headers: [['h', '1']] }] })
    for (let position = 21; position < good.length; position++) {
      const bad = Buffer.from(good)
      bad.writeUInt8(bad.readUInt8(position) ^ 0x40, position)
      expect(() => decodeRecords(scanRecordBatches(bad, where), where)).toThrow(
        expect.objectContaining({ code: 'RECORD_BATCH_CORRUPT' }),
      )
    }
  })
})
