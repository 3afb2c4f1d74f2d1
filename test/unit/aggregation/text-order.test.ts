import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareCodePoints } from '../../../src/aggregation/text-order.ts'

const texts = fc.string({ unit: fc.oneof(fc.constantFrom('a', 'b', '\ufffd', '\ue000', '😀'), fc.string()) })

test('texts are ordered like their bytes in UTF-8', () => {
  fc.assert(
    fc.property(texts, texts, (a, b) => {
      expect(Math.sign(compareCodePoints(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)))
    }),
    { numRuns: 1000 },
  )
})

test('a character beyond U+FFFF comes after U+FFFD, though its code units come before', () => {
  expect(compareCodePoints('😀', '\ufffd')).toBeGreaterThan(0)
  expect('😀' < '\ufffd').toBe(true)
})
