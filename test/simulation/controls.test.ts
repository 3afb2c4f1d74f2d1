import { describe, expect, test } from 'vitest'
import { type ControlName, controlNames, controls } from './controls.ts'
import type { Fault } from './faults.ts'
import { runScenario } from './run-scenario.ts'
import { drawScenario } from './scenario.ts'
import { simulateSeeds } from './simulate.ts'

const SEEDS = 300

/** Found by long runs only (`npm run test:simulation -- --control <name>`), or here by faults that are made for them. */
const rare: readonly ControlName[] = ['claim-id-not-compared', 'claims-read-once']

describe('the simulation finds a protocol that is wrong', () => {
  test.each(controlNames.filter((name) => !rare.includes(name)))(
    '%s',
    async (control) => {
      const report = await simulateSeeds({ seeds: SEEDS, stopAtFirst: true, control, explain: 0 })
      expect(report.failures.length).toBeGreaterThan(0)
    },
    240_000,
  )

  test.each(['claim-without-confirmation', 'claims-read-once'] as const)(
    '%s, where a process is stopped while it claims and its partitions go to others',
    async (control) => {
      const found: string[] = []
      for (let seed = 1; seed <= 60 && found.length === 0; seed += 1) {
        const scenario = drawScenario(seed)
        if (scenario.assignment !== 'group') continue
        for (const nth of [2, 3, 4]) {
          const faults: Fault[] = [
            {
              id: 0,
              kind: 'stopped-before',
              when: { operation: control === 'claims-read-once' ? 'claim.confirmed' : 'readPositions', nth },
              ms: 2_600,
              pick: 0,
            },
            { id: 1, kind: 'owner-joins', when: { atMs: 600 }, ms: 1, pick: 0.3 },
          ]
          const { violations } = await runScenario({ ...scenario, faults }, { sabotage: controls[control] })
          found.push(...violations)
        }
      }
      expect(found.join('\n')).toMatch(/by grant \d+ after grant \d+/)
    },
    120_000,
  )
})
