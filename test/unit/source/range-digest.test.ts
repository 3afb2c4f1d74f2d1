import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addDigests, digestText, RangeDigest } from '../../../src/source/range-digest.ts'
import { type PlainRecord, segmentFromRecords } from '../../../src/source/record-segment.ts'
import { Xxh32Pair } from '../../../src/source/xxh32-pair.ts'

function digestOf(records: readonly PlainRecord[], partition = 0, topic = 'orders'): bigint {
  const digest = new RangeDigest()
  if (records.length > 0) digest.add(segmentFromRecords(topic, partition, records), 0, records.length)
  return digest.sum
}

/** As it is written down for whoever wants to do it again, with nothing of how it is computed here but XXH32 itself. */
function asDocumented(records: readonly PlainRecord[], partition: number): bigint {
  const xxh32 = (bytes: Buffer, seed: number) => {
    const hash = new Xxh32Pair()
    hash.reset(seed, 0)
    hash.bytes(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.byteLength)
    return hash.first >>> 0
  }
  let sum = 0n
  for (const { offset, key = null, value } of records) {
    const coordinates = Buffer.alloc(20)
    coordinates.writeInt32LE(partition, 0)
    coordinates.writeBigInt64LE(BigInt(offset), 4)
    coordinates.writeInt32LE(key === null ? -1 : Buffer.from(key).length, 12)
    coordinates.writeInt32LE(value === null ? -1 : Buffer.from(value).length, 16)
    const h = (seed: number) =>
      xxh32(Buffer.from(value ?? ''), xxh32(Buffer.from(key ?? ''), xxh32(coordinates, seed)))
    sum += BigInt(h(0)) * 2n ** 32n + BigInt(h(1))
  }
  return sum % 2n ** 64n
}

const bytes = fc.uint8Array({ maxLength: 60 })
const anyRecords = fc
  .array(fc.record({ key: fc.option(bytes), value: fc.option(bytes), gap: fc.nat({ max: 3 }) }), {
    maxLength: 50,
  })
  .chain((records) =>
    fc.constantFrom(0, 5, 2 ** 32 - 3, 2 ** 52).map((from) => {
      let offset = from
      return records.map(({ gap, ...record }) => {
        offset += 1 + gap
        return { ...record, offset }
      })
    }),
  )

test('is what the documentation says, for any records, offsets and partitions', () => {
  fc.assert(
    fc.property(anyRecords, fc.nat({ max: 100_000 }), (records, partition) => {
      expect(digestOf(records, partition)).toBe(asDocumented(records, partition))
    }),
  )
})

test('stays the same in every version: ledgers outlive them', () => {
  const records = [
    { offset: 5_000_000_007, key: 'tea', value: '{"n":1}' },
    { offset: 5_000_000_009, key: null, value: null },
    { offset: 5_000_000_010, key: '', value: 'x'.repeat(50) },
  ]
  expect(digestText(digestOf(records, 3))).toBe('e1325fd8ee86c932')
})

test('digests of stretches add up to that of the whole, in any order', () => {
  fc.assert(
    fc.property(anyRecords, fc.nat(), (records, at) => {
      const cut = at % (records.length + 1)
      const [head, tail] = [digestOf(records.slice(0, cut)), digestOf(records.slice(cut))]
      expect(addDigests(tail, head)).toBe(digestOf(records))
    }),
  )
  expect(addDigests(2n ** 64n - 1n, 2n)).toBe(1n)
})

test('only the records named are added, wherever they are in their segment', () => {
  const records = [0, 1, 2, 3].map((offset) => ({ offset, value: `v${offset}` }))
  const digest = new RangeDigest()
  digest.add(segmentFromRecords('orders', 0, records), 1, 3)
  expect(digest.sum).toBe(digestOf(records.slice(1, 3)))
})

test('of a range without records is 0', () => {
  expect(digestOf([])).toBe(0n)
  expect(digestText(0n)).toBe('0000000000000000')
})

describe('negative controls: the digest is another one when', () => {
  const records: readonly PlainRecord[] = [
    { offset: 0, key: 'a', value: '5' },
    { offset: 1, key: 'b', value: '7' },
    { offset: 2, key: null, value: '' },
  ]
  const [a, b, c] = records as [PlainRecord, PlainRecord, PlainRecord]
  test.each<[string, readonly PlainRecord[]]>([
    ['two values are exchanged', [{ ...a, value: '7' }, { ...b, value: '5' }, c]],
    ['two keys are exchanged', [{ ...a, key: 'b' }, { ...b, key: 'a' }, c]],
    ['two records are exchanged', [{ ...b, offset: 0 }, { ...a, offset: 1 }, c]],
    ['one record is lost and another is there twice', [a, { ...a, offset: 1 }, c]],
    ['a record has moved to another offset', [a, b, { ...c, offset: 3 }]],
    ['a null key is empty', [a, b, { ...c, key: '' }]],
    ['an empty value is null', [a, b, { ...c, value: null }]],
    ['a byte went from the key to the value', [{ ...a, key: '', value: 'a5' }, b, c]],
    ['a record is missing', [a, b]],
    ['nothing is left', []],
  ])('%s', (_name, others) => {
    expect(digestOf(others)).not.toBe(digestOf(records))
  })

  test('the partition is another one', () => {
    expect(digestOf(records, 1)).not.toBe(digestOf(records, 0))
  })

  test('any one bit of key or value is', () => {
    const key = Buffer.from('a key of 17 bytes')
    const value = Buffer.from('some value that has more than 32 bytes')
    const whole = digestOf([{ offset: 0, key, value }])
    for (const field of [key, value]) {
      for (let bit = 0; bit < field.length * 8; bit++) {
        field[bit >> 3] = (field[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        expect(digestOf([{ offset: 0, key, value }])).not.toBe(whole)
        field[bit >> 3] = (field[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      }
    }
  })
})
