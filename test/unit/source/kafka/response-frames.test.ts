import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ResponseFrames, wholeResponse } from '../../../../src/source/kafka/response-frames.ts'

/** What is handed out when these bytes come in pieces of the lengths given, over and over, through one buffer. */
function received(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const handed: Buffer[] = []
  const frames = new ResponseFrames((part) => handed.push(part))
  const buffer = Buffer.alloc(Math.max(...lengths))
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const length = Math.min(lengths[n % lengths.length] ?? 1, bytes.length - at)
    bytes.copy(buffer, 0, at, at + length)
    frames.receive(buffer.subarray(0, length))
    buffer.fill(0xee)
    at += length
  }
  return handed
}

function response(correlationId: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(8)
  head.writeInt32BE(4 + payload.length, 0)
  head.writeInt32BE(correlationId, 4)
  return Buffer.concat([head, payload])
}

describe('ResponseFrames', () => {
  test('however responses come in, each is handed out whole, in memory of its own', () => {
    const payload = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes))
    const lengths = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(fc.array(payload, { maxLength: 6 }), lengths, (payloads, pieces) => {
        const responses = payloads.map((bytes, i) => response(i, bytes))
        const handed = received(Buffer.concat(responses), pieces)
        expect(handed).toEqual(responses)
        expect(handed.map((bytes) => wholeResponse(bytes))).toEqual(
          payloads.map((bytes, correlationId) => ({ correlationId, payload: bytes })),
        )
      }),
    )
  })

  test('what is not complete is not handed out', () => {
    const bytes = response(7, Buffer.from('value'))
    for (let length = 0; length < bytes.length; length++)
      expect(received(bytes.subarray(0, length), [3])).toEqual([])
  })

  test('a response that would take too much memory comes in pieces, and the next one whole', () => {
    const size = 64 * 1024 * 1024 + 1
    const large = Buffer.alloc(4 + size, 1)
    large.writeInt32BE(size, 0)
    const next = response(8, Buffer.from('next'))
    const handed = received(Buffer.concat([large, next]), [1024 * 1024])
    expect(handed.length).toBeGreaterThan(60)
    expect(handed.at(-1)).toEqual(next)
    expect(Buffer.concat(handed.slice(0, -1)).equals(large)).toBe(true)
    expect(handed.slice(0, -1).every((bytes) => wholeResponse(bytes) === null)).toBe(true)
  })

  test.each([[-1], [-(2 ** 31)], [0], [3]])(
    'after a size of %i everything is handed out as it comes',
    (size) => {
      const bytes = Buffer.alloc(20, 9)
      bytes.writeInt32BE(size, 0)
      const handed = received(Buffer.concat([response(1, Buffer.from('a')), bytes]), [6])
      expect(handed[0]).toEqual(response(1, Buffer.from('a')))
      expect(Buffer.concat(handed.slice(1))).toEqual(bytes)
      expect(handed.slice(1).every((part) => wholeResponse(part) === null)).toBe(true)
    },
  )
})
