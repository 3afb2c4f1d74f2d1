import { describe, expect, test } from 'vitest'
import { controls } from './controls.ts'
import { minimiseSeed, replaySeed } from './replay.ts'
import { runScenario } from './run-scenario.ts'
import { drawScenario } from './scenario.ts'
import { replayInThread, simulateSeeds } from './simulate.ts'

describe('a seed', () => {
  test('gives the same history to the letter every time, here and in a thread', async () => {
    for (const seed of [2, 7, 11]) {
      const first = await replaySeed(seed)
      await replaySeed(seed + 1)
      const again = await replaySeed(seed)
      expect(again.text).toBe(first.text)
      expect(again.result).toEqual(first.result)
      expect((await replayInThread(seed, { only: null, control: null })).text).toBe(first.text)
      expect(first.result.history.length).toBeGreaterThan(20)
      expect(first.text).toMatch(/FAULT #\d/)
    }
  }, 60_000)

  test('is the same history whether it is written or not', async () => {
    const { violations, struck, counts, healedMs } = await runScenario(drawScenario(3))
    expect((await replaySeed(3)).result).toMatchObject({ violations, struck, counts, healedMs })
  })

  test('differs from the next one', async () => {
    expect((await replaySeed(2)).text).not.toBe((await replaySeed(3)).text)
  })

  test('keeps its faults as they are when some are left out', async () => {
    const all = drawScenario(2).faults
    const { scenario } = await replaySeed(2, { only: [1, 3] })
    expect(scenario.faults).toEqual([all[1], all[3]])
  })
})

describe('a seed that fails', () => {
  const control = 'lost-answer-assumed-committed'
  const sabotage = controls[control]

  test('is minimised to faults of which each is needed, and printed with the command that replays it', async () => {
    const report = await simulateSeeds({ seeds: 200, stopAtFirst: true, control, workers: 1 })
    const [failure] = report.failures
    if (!failure?.only) throw new Error('no seed has failed')
    const { seed, only } = failure
    const all = drawScenario(seed).faults.length
    expect(only.length).toBeGreaterThan(0)
    expect(only.length).toBeLessThan(all)
    const fails = async (kept: readonly number[]) =>
      (await replaySeed(seed, { only: kept, sabotage })).result.violations.length > 0
    expect(await fails(only)).toBe(true)
    for (const id of only)
      expect(await fails(only.filter((other) => other !== id)), `without ${id}`).toBe(false)
    expect(failure.history).toMatch(/which never did/)
    expect(failure.replay).toBe(
      `npm run test:simulation -- --seed ${seed} --only ${only.join(',')} --control ${control}`,
    )
  }, 60_000)

  test('is told apart from one that does not', async () => {
    expect(await minimiseSeed(2)).toBeNull()
  })
})
