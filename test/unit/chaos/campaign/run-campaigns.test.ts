import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { CampaignContext, CampaignOutcome } from '../../../../src/chaos/campaign/campaign.ts'
import type { Figure, Task } from '../../../../src/chaos/campaign/figures.ts'
import { JobFailed } from '../../../../src/chaos/campaign/job-failed.ts'
import type { Programs } from '../../../../src/chaos/campaign/lives/programs.ts'
import { runCampaigns, type TaskResult } from '../../../../src/chaos/campaign/run-campaigns.ts'
import type { Servers } from '../../../../src/chaos/campaign/servers.ts'

const clean = { records: 10, batches: 1, lost: 0, duplicated: 0, violations: [], inconclusive: [] }

/** A campaign of which each unit takes some milliseconds, and the targets and seeds with which it was begun. */
function campaign(
  target: number,
  msPerUnit: number,
  end: Partial<CampaignOutcome> & { readonly fails?: Error } = {},
) {
  const begun: { readonly target: number; readonly seed: number }[] = []
  const { fails, ...outcome } = end
  const run = async ({ signal, onProgress, ...context }: CampaignContext): Promise<CampaignOutcome> => {
    begun.push({ target: context.target, seed: context.seed })
    let reached = 0
    while (reached < context.target && !signal.aborted) {
      await sleep(msPerUnit)
      reached += 1
      onProgress(reached, { units: reached })
    }
    if (fails) throw fails
    return { reached, counts: { units: reached }, verdict: clean, ...outcome }
  }
  const figure = {
    name: 'job-kills',
    title: 'kills',
    track: 'kills',
    seconds: 1,
    run,
  } as Partial<Figure> as Figure
  const task: Task = { figure, engine: 'postgres', target }
  return { task, begun }
}

async function results(tasks: readonly Task[], seconds: number): Promise<readonly TaskResult[]> {
  return runCampaigns({
    tasks,
    servers: {} as Servers,
    programs: {} as Programs,
    seed: 1,
    seconds,
    signal: new AbortController().signal,
    onProgress: () => {},
    onResult: () => {},
  })
}

test('a campaign that was cut short goes on in the time that others leave: its rounds are added up, have chances of their own, and ask for what is missing only', async () => {
  const slow = campaign(100, 10)
  const quick = campaign(1, 1)
  const task = { ...slow.task, figure: { ...slow.task.figure, seconds: 0.02 } }
  const [result] = await results([task, quick.task], 25)
  expect(result).toMatchObject({ reached: 100, counts: { units: 100 }, why: null, timeWasUp: false })
  expect(result?.outcome).toMatchObject({ reached: 100, verdict: { records: 10 * slow.begun.length } })
  const [first, second] = slow.begun
  expect(first?.target).toBe(100)
  expect(second?.target).toBeLessThan(100)
  expect(second?.target).toBeGreaterThan(0)
  expect(second?.seed).not.toBe(first?.seed)
})

test.each([
  ['one whose job has failed', { fails: new JobFailed('it hangs') }],
  ['one that was found wrong', { verdict: { ...clean, violations: ['a record is lost'] } }],
  ['one of programs that are to be caught', { controls: [] }],
])('%s is not run again', async (_, end) => {
  const { task, begun } = campaign(1_000, 10, end)
  const short = { ...task, figure: { ...task.figure, seconds: 0.01 } }
  const [result] = await results([short, campaign(1, 1).task], 22)
  expect(begun).toHaveLength(1)
  expect(result?.reached).toBeLessThan(1_000)
})

test('what has reached less in the time says so, and that it was the time', async () => {
  const [result] = await results([campaign(1_000, 10).task], 0.3)
  expect(result).toMatchObject({ timeWasUp: true, why: 'its 1 s were over' })
})
