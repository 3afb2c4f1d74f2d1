import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PartitionBuffer } from '../../../../src/source/kafka/partition-buffer.ts'
import { type RecordBatch, scanRecordBatches } from '../../../../src/source/kafka/record-batch.ts'
import { recordOffset } from '../../../../src/source/record-fields.ts'
import type { FetchedRange } from '../../../../src/source/source.ts'
import { encodeBatch } from '../../../support/record-batches.ts'

const where = { topic: 't', partition: 0 }
const unbounded = Number.MAX_SAFE_INTEGER

interface Laid {
  readonly bytes: Buffer
  readonly offsets: readonly number[]
  readonly visible: boolean
  readonly nextOffset: number
  readonly leaderEpoch: number
}

/** Lays batches one after another, with gaps between records, between batches and at their ends. */
const laidOut = fc
  .array(
    fc.record({
      before: fc.nat(2),
      gaps: fc.array(fc.nat(2), { maxLength: 5 }),
      tail: fc.nat(3),
      visible: fc.boolean(),
      nextEpoch: fc.boolean(),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((shapes): Laid[] => {
    let offset = 0
    let leaderEpoch = 0
    return shapes.map(({ before, gaps, tail, visible, nextEpoch }) => {
      const baseOffset = offset + before
      let at = baseOffset
      const offsets = gaps.map((gap) => {
        const here = at + gap
        at = here + 1
        return here
      })
      const lastOffset = at + tail
      offset = lastOffset + 1
      leaderEpoch += Number(nextEpoch)
      const records = offsets.map((here) => ({ offset: here, value: `v${here}` }))
      const bytes = encodeBatch({ baseOffset, lastOffset, records, leaderEpoch })
      return { bytes, offsets, visible, nextOffset: offset, leaderEpoch }
    })
  })

/** Appends the batches as responses that hold `perResponse` of them. */
function fill(buffer: PartitionBuffer, laid: readonly Laid[], perResponse: number): void {
  for (let at = 0; at < laid.length; at += perResponse) {
    const part = laid.slice(at, at + perResponse)
    const batches = scanRecordBatches(Buffer.concat(part.map(({ bytes }) => bytes)), where)
    buffer.append(
      batches,
      batches.filter((_, i) => part[i]?.visible === true),
    )
  }
}

function offsetsOf(range: FetchedRange): number[] {
  return range.slices.flatMap(({ segment, begin, end }) =>
    Array.from({ length: end - begin }, (_, i) => recordOffset(segment, begin + i)),
  )
}

function take(buffer: PartitionBuffer, max: number, bound = unbounded, empty = false): FetchedRange | null {
  while (buffer.decodeNext(max, bound));
  return buffer.take(max, bound, empty)
}

describe('PartitionBuffer', () => {
  test('any sequence of takes returns every visible record once, in order, in ranges without a hole', () => {
    const takes = fc.infiniteStream(
      fc.record({ max: fc.integer({ min: 1, max: 7 }), bound: fc.option(fc.nat(40)), empty: fc.boolean() }),
    )
    fc.assert(
      fc.property(
        laidOut,
        fc.integer({ min: 1, max: 5 }),
        takes,
        fc.nat(20),
        (laid, perResponse, plan, skip) => {
          const end = laid.at(-1)?.nextOffset ?? 0
          const start = Math.min(skip, end - 1)
          const buffer = new PartitionBuffer(where, start, -1)
          fill(
            buffer,
            laid.filter(({ nextOffset }) => nextOffset > start),
            perResponse,
          )
          const expected = laid
            .filter(({ visible }) => visible)
            .flatMap(({ offsets }) => offsets)
            .filter((o) => o >= start)
          const seen: number[] = []
          let position = start
          for (let round = 0; round < 400 && position < end; round++) {
            const { max, bound, empty } = plan.next().value
            const limit = bound ?? unbounded
            while (buffer.decodeNext(max, limit));
            expect(buffer.available(limit)).toBeGreaterThanOrEqual(
              expected.filter((o) => o >= position && o < limit).length,
            )
            const range = buffer.take(max, limit, empty)
            if (range === null) {
              expect(buffer.position).toBe(position)
              continue
            }
            const offsets = offsetsOf(range)
            expect(Number(range.range.from)).toBe(position)
            position = Number(range.range.until)
            expect(position).toBeLessThanOrEqual(Math.min(Math.max(limit, Number(range.range.from)), end))
            expect(range.records).toBe(offsets.length)
            expect(offsets.length).toBeLessThanOrEqual(max)
            expect(empty || offsets.length > 0).toBe(true)
            for (const offset of offsets) {
              expect(offset).toBeGreaterThanOrEqual(Number(range.range.from))
              expect(offset).toBeLessThan(position)
            }
            seen.push(...offsets)
            expect(seen).toEqual(expected.filter((o) => o < position))
            const epochs = laid
              .filter(({ nextOffset }) => nextOffset > start && nextOffset <= position)
              .map((b) => b.leaderEpoch)
            expect(range.leaderEpoch).toBeGreaterThanOrEqual(epochs.at(-1) ?? -1)
            expect(buffer.positionEpoch).toBe(range.leaderEpoch)
          }
          take(buffer, unbounded, unbounded, true)
          expect([buffer.position, buffer.bytes, buffer.records]).toEqual([end, 0, 0])
        },
      ),
      { numRuns: 300 },
    )
  })

  test('everything taken ends at the end of what was fetched, markers and compacted tails included', () => {
    const buffer = new PartitionBuffer(where, 0, -1)
    const batches = scanRecordBatches(
      Buffer.concat([
        encodeBatch({ records: [{ offset: 0, value: 'a' }], lastOffset: 3, leaderEpoch: 1 }),
        encodeBatch({ baseOffset: 4, records: [], marker: 'commit', leaderEpoch: 2 }),
      ]),
      where,
    )
    buffer.append(batches, batches.slice(0, 1))
    const range = take(buffer, 10)
    expect(range).toMatchObject({ range: { from: 0n, until: 5n }, records: 1, leaderEpoch: 2 })
    expect(range?.bytes).toBe(batches.reduce((sum, batch) => sum + batch.size, 0))
  })

  test('a cut inside a batch ends right after the last record taken', () => {
    const buffer = new PartitionBuffer(where, 0, -1)
    const records = [0, 4, 5, 9].map((offset) => ({ offset, value: 'v' }))
    const batches = scanRecordBatches(encodeBatch({ records }), where)
    buffer.append(batches, batches)
    expect(take(buffer, 2)?.range).toMatchObject({ from: 0n, until: 5n })
    expect(take(buffer, 2)?.range).toMatchObject({ from: 5n, until: 10n })
  })

  test('a bound is reached exactly, also where compaction has removed everything around it', () => {
    const buffer = new PartitionBuffer(where, 0, -1)
    const batches = scanRecordBatches(
      Buffer.concat([
        encodeBatch({ records: [{ offset: 0, value: 'a' }] }),
        encodeBatch({ records: [{ offset: 50, value: 'b' }] }),
      ]),
      where,
    )
    buffer.append(batches.slice(0, 1), batches.slice(0, 1))
    buffer.append(batches.slice(1), batches.slice(1))
    expect(take(buffer, 10, 20)).toMatchObject({ range: { from: 0n, until: 20n }, records: 1 })
    expect(take(buffer, 10, 20, true)).toBeNull()
    expect(take(buffer, 10, 50)).toBeNull()
    expect(take(buffer, 10, 50, true)).toMatchObject({ range: { from: 20n, until: 50n }, records: 0 })
    expect(take(buffer, 10, 51)).toMatchObject({ range: { from: 50n, until: 51n }, records: 1 })
  })

  test('a stretch without visible records is kept, and becomes part of the next range', () => {
    const buffer = new PartitionBuffer(where, 0, -1)
    const hidden = scanRecordBatches(
      encodeBatch({ records: [{ offset: 0, value: 'x' }], lastOffset: 9 }),
      where,
    )
    buffer.append(hidden, [])
    expect(take(buffer, 10)).toBeNull()
    const shown = scanRecordBatches(encodeBatch({ records: [{ offset: 10, value: 'y' }] }), where)
    buffer.append(shown, shown)
    expect(take(buffer, 10)).toMatchObject({ range: { from: 0n, until: 11n }, records: 1 })
  })

  test('compressed and plain batches of one response are kept apart', () => {
    const batch = (offset: number, compressed: boolean) => {
      const records = [
        { offset, value: `v${offset}` },
        { offset: offset + 1, value: 'w' },
      ]
      return encodeBatch(compressed ? { records, codec: 1, compress: (b) => gzipSync(b) } : { records })
    }
    for (const pattern of [
      [false, true],
      [true, false],
      [true, true],
      [false, true, false, false, true],
    ]) {
      const buffer = new PartitionBuffer(where, 0, -1)
      const bytes = Buffer.concat(pattern.map((compressed, i) => batch(2 * i, compressed)))
      const batches = scanRecordBatches(bytes, where)
      buffer.append(batches, batches)
      const range = take(buffer, 100)
      expect(range === null ? [] : offsetsOf(range)).toEqual(pattern.flatMap((_, i) => [2 * i, 2 * i + 1]))
    }
  })

  test('a range that ends between two batches carries the leader epoch of the one before', () => {
    const buffer = new PartitionBuffer(where, 1, -1)
    const bytes = Buffer.concat([
      encodeBatch({ records: [{ offset: 0, value: 'a' }], lastOffset: 1, leaderEpoch: 4 }),
      encodeBatch({ records: [{ offset: 5, value: 'b' }], leaderEpoch: 4 }),
    ])
    const batches = scanRecordBatches(bytes, where)
    buffer.append(batches, batches)
    expect(take(buffer, 10, 3, true)).toMatchObject({ range: { from: 1n, until: 3n }, leaderEpoch: 4 })
  })

  test('a batch that begins inside another one is refused', () => {
    const batches: RecordBatch[] = scanRecordBatches(
      Buffer.concat([
        encodeBatch({ records: [{ offset: 0, value: 'a' }], lastOffset: 5 }),
        encodeBatch({ records: [{ offset: 4, value: 'b' }], lastOffset: 8 }),
      ]),
      where,
    )
    expect(() => new PartitionBuffer(where, 0, -1).append(batches, batches)).toThrow(
      expect.objectContaining({ code: 'INVARIANT_VIOLATED' }),
    )
  })
})
