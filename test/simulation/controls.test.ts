import { describe, expect, test } from 'vitest'
import { type ControlName, controlNames } from './controls.ts'
import { simulateSeeds } from './simulate.ts'

/** How many seeds it may take to find each wrong variant, where 200 are too few. */
const rare: Partial<Record<ControlName, number>> = {
  'claim-id-not-compared': 4_000,
  'claim-without-confirmation': 1_000,
  'claims-read-once': 4_000,
}

describe('the simulation finds a protocol that is wrong', () => {
  test.each(controlNames)(
    '%s',
    async (control) => {
      const seeds = rare[control] ?? 200
      const report = await simulateSeeds({ seeds, stopAtFirst: true, control, explain: 0 })
      expect(report.failures.map(({ violations }) => violations[0])).not.toEqual([])
    },
    240_000,
  )
})
