import { isDeepStrictEqual } from 'node:util'
import { expect, test, vi } from 'vitest'
import { BlockScanner } from '../../../src/decode/scan/block/block-scanner.ts'
import { fuzzFastPaths, shortCuts } from '../../support/fast-path-fuzz.ts'

/** A range of seeds: more of them for whoever looks for what these do not find. */
const from = Number(process.env.FUZZ_FROM ?? 0)
const seeds = Number(process.env.FUZZ_SEEDS ?? 8)

test('short cuts from bytes to results come to what calling every function comes to', async () => {
  expect(shortCuts).toEqual([true, true, false, true, true, false, false, false])
  const blocks = vi.spyOn(BlockScanner.prototype, 'scan')
  let [records, failed] = [0, 0]
  for (let seed = from; seed < from + seeds; seed++) {
    const outcome = await fuzzFastPaths(seed, (fast, plain, what) => {
      // A look that costs little; expect says what the difference is.
      if (!isDeepStrictEqual(fast, plain)) expect(fast, what).toStrictEqual(plain)
      expect(isDeepStrictEqual(fast, plain), what).toBe(true)
    })
    records += outcome.records
    failed += outcome.failed
  }
  expect(records).toBeGreaterThan(seeds * 50)
  expect(failed).toBeGreaterThan(seeds)
  expect(blocks.mock.results.filter(({ value }) => value).length, 'in blocks').toBeGreaterThan(seeds * 10)
}, 3_600_000)
