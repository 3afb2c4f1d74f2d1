import { expect, test } from 'vitest'
import { runScenario } from './run-scenario.ts'
import { drawScenario } from './scenario.ts'

const SEEDS = 160

test(`fileHandoff: every record counts exactly once in ${SEEDS} seeded histories`, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violations } = await runScenario({ ...drawScenario(seed), strategy: 'fileHandoff' })
    expect(violations, `seed ${seed}`).toEqual([])
  }
}, 300_000)
