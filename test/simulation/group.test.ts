import { describe, expect, test } from 'vitest'
import { runGroupScenario } from './group-scenario.ts'
import type { ScenarioOptions } from './scenario.ts'

const SEEDS = 600

describe('processes that share a job, over a database that fails and a group that takes them for dead', () => {
  test(`every record counts exactly once in ${SEEDS} seeded histories, nobody fences a rightful owner, and nobody is left behind`, async () => {
    const totals = {
      joins: 0,
      crashes: 0,
      leaves: 0,
      stops: 0,
      rewinds: 0,
      handOvers: 0,
      expired: 0,
      unknown: 0,
      batches: 0,
    }
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const result = await runGroupScenario(seed)
      expect(result.violations, `seed ${seed}\n${result.history.join('\n')}`).toEqual([])
      for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += result.counts[name]
    }
    // A storm in which nothing happened proves nothing.
    for (const [name, total] of Object.entries(totals)) expect(total, name).toBeGreaterThan(SEEDS / 10)
  }, 240_000)

  test('the same seed gives the same history', async () => {
    const [a, b] = [await runGroupScenario(7), await runGroupScenario(7)]
    expect(a.history).toEqual(b.history)
    expect(a.history.length).toBeGreaterThan(20)
  })
})

describe('the simulation of a group finds broken protocols', () => {
  const caught = async (sabotage: NonNullable<ScenarioOptions['sabotage']>) => {
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const { violations } = await runGroupScenario(seed, sabotage)
      if (violations.length > 0) return violations[0]
    }
    return null
  }

  test('partitions that stay and are claimed again are caught', async () => {
    expect(
      await caught(({ claimer }) => {
        const { takeOver } = claimer
        claimer.takeOver = (gained, held, confirm) =>
          takeOver.call(claimer, [...gained, ...held], held, confirm)
      }),
    ).toMatch(/has claimed t\/\d again, which it holds/)
  })

  test('a claim without the word of the group is caught', async () => {
    expect(
      await caught(({ claimer }) => {
        const { takeOver } = claimer
        claimer.takeOver = (gained, held) => takeOver.call(claimer, gained, held, () => Promise.resolve(true))
      }),
    ).toMatch(/by grant \d+ after grant \d+/)
  })

  test("a claim that does not look again who has claimed, once it has the job's lock, is caught", async () => {
    expect(
      await caught(({ database }) => {
        database.looksOnce = true
      }),
    ).toMatch(/by grant \d+ after grant \d+/)
  })

  test('a claim after which reading goes on where it was is caught', async () => {
    expect(
      await caught(({ source }) => {
        const { seek } = source
        const read = new Set<string>()
        source.drop = () => {}
        source.seek = (positions) => {
          const fresh = positions.filter(({ topic, partition }) => !read.has(`${topic}/${partition}`))
          for (const { topic, partition } of fresh) read.add(`${topic}/${partition}`)
          return seek(fresh)
        }
      }),
    ).not.toBeNull()
  })
})
