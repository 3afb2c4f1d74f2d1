import { describe, expect, test } from 'vitest'
import { simulateSeeds } from './simulate.ts'

const SEEDS = 1_500

describe('driver, claim, commit and strategies over databases, brokers and processes that fail', () => {
  test(`every record counts exactly once in ${SEEDS} seeded histories, nobody fences a rightful owner, and nobody is left behind`, async () => {
    const report = await simulateSeeds({ seeds: SEEDS })
    expect(report.failures).toEqual([])
    expect(report.seeds).toBe(SEEDS)
    // A storm in which nothing happened proves nothing.
    expect(report.missingKinds).toEqual([])
    expect(report.seedsWithoutFault).toBeLessThan(SEEDS / 100)
    for (const [kind, seeds] of Object.entries(report.seedsByKind))
      expect(seeds, kind).toBeGreaterThan(SEEDS / 200)
    for (const [what, count] of Object.entries(report.counts)) expect(count, what).toBeGreaterThan(SEEDS / 10)
    for (const [variant, seeds] of Object.entries(report.seedsByVariant))
      expect(seeds, variant).toBeGreaterThan(SEEDS / 20)
  }, 300_000)
})
