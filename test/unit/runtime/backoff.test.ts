import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Backoff } from '../../../src/runtime/backoff.ts'

test('every delay is at least half of its doubling ceiling and never above the bound', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      fc.integer({ min: 1, max: 40 }),
      (fraction, attempts) => {
        const backoff = new Backoff(
          { initialMs: 10, maxMs: 1_000 },
          { fraction: () => fraction, uuid: () => '' },
        )
        for (let attempt = 0; attempt < attempts; attempt += 1) {
          const ceiling = Math.min(1_000, 10 * 2 ** attempt)
          const delay = backoff.nextMs()
          expect(delay).toBeGreaterThanOrEqual(ceiling / 2)
          expect(delay).toBeLessThanOrEqual(ceiling)
        }
        expect(backoff.attempts).toBe(attempts)
        backoff.reset()
        expect(backoff.nextMs()).toBeLessThanOrEqual(10)
      },
    ),
  )
})
