import { describe, expect, test } from 'vitest'
import type { CampaignOutcome } from '../../../../src/chaos/campaign/campaign.ts'
import { type Beside, conclude } from '../../../../src/chaos/campaign/conclusion.ts'
import { type FigureName, tasksOf } from '../../../../src/chaos/campaign/figures.ts'
import type { TaskResult } from '../../../../src/chaos/campaign/run-campaigns.ts'
import { reportText } from '../../../../src/chaos/campaign/table.ts'

const run = { seed: 1, seconds: 10 }
const nothingBeside: Beside = { simulation: null, mutants: null }
const clean = { records: 100, batches: 10, lost: 0, duplicated: 0, violations: [], inconclusive: [] }

/** A campaign that has reached its target, and was found right. */
function done(name: FigureName, outcome: Partial<CampaignOutcome> = {}): TaskResult {
  const [task] = tasksOf({ only: [name], engines: ['postgres'], scale: 0.01, long: false })
  if (!task) throw new Error(`${name} is no figure`)
  const { target: reached } = task
  return {
    task,
    reached,
    counts: {},
    seconds: 2,
    outcome: { reached, counts: {}, verdict: clean, ...outcome },
    why: null,
    jobFailed: false,
    timeWasUp: false,
  }
}

const concluded = (results: readonly TaskResult[], beside = nothingBeside) => conclude(results, beside, run)

describe('a run', () => {
  test('that has reached everything and found nothing is ok', () => {
    const report = concluded([done('lost-commits'), done('job-kills')])
    expect(report).toMatchObject({ outcome: 'ok', exitCode: 0, lost: 0, duplicated: 0, violations: [] })
    expect(report.figures['lost-commits']?.postgres).toMatchObject({ target: 50, reached: 50, perSecond: 25 })
  })

  test.each([
    ['lost', { lost: 1 }],
    ['duplicated', { duplicated: 1 }],
    ['wrong in a way that has no number', { violations: ['the chain is broken'] }],
  ])('in which a record is %s is a violation, with exit code 4', (_, found) => {
    const report = concluded([done('lost-commits'), done('job-kills', { verdict: { ...clean, ...found } })])
    expect(report).toMatchObject({ outcome: 'violation', exitCode: 4 })
    expect(report.violations.length).toBeGreaterThan(0)
  })

  test('that has reached less is inconclusive, with exit code 5, and says which and why', () => {
    const report = concluded([{ ...done('lost-commits'), reached: 49, why: 'its 10 s were over' }])
    expect(report).toMatchObject({ outcome: 'inconclusive', exitCode: 5 })
    expect(report.inconclusive).toEqual([
      'COMMIT answers lost (postgres): 49 of 50 reached: its 10 s were over',
    ])
  })

  test('in which nothing was injected, or nothing was checked, proves nothing', () => {
    expect(concluded([]).inconclusive).toEqual(['no fault was injected: nothing is proven'])
    const unchecked = done('lost-commits', { verdict: { ...clean, records: 0 } })
    expect(concluded([unchecked])).toMatchObject({ exitCode: 5 })
  })

  test('whose job has ended by itself is a violation', () => {
    const result = { ...done('job-kills'), outcome: null, why: 'it ended with exit code 1', jobFailed: true }
    expect(concluded([result])).toMatchObject({
      exitCode: 4,
      violations: ['SIGKILL of the job (postgres): it ended with exit code 1'],
    })
  })

  test('whose campaign could not be run to its end is inconclusive', () => {
    const result = { ...done('job-kills'), outcome: null, why: 'no space left' }
    expect(concluded([result])).toMatchObject({ exitCode: 5 })
  })

  test('in which a wrong way is not caught is a violation', () => {
    const control = { kind: 'committed before', kills: 10, lost: 3, duplicated: 0, caught: true }
    const right = { kind: 'oncesink', kills: 10, lost: 0, duplicated: 0, caught: null }
    const caught = concluded([done('controls', { controls: [right, control] })])
    expect(caught).toMatchObject({ outcome: 'ok', lost: 0 })
    expect(reportText(caught)).toMatch(/committed before +10 kills: 3 lost, 0 duplicated: caught/)
    const blind = { ...control, lost: 0, caught: false }
    const report = concluded([done('controls', { controls: [right, blind] })])
    expect(report.exitCode).toBe(4)
    expect(reportText(report)).toContain('0 lost, 0 duplicated: NOT CAUGHT')
    const early = concluded([done('controls', { controls: [right, { ...blind, cutShort: true }] })])
    expect(early).toMatchObject({ exitCode: 5, violations: [] })
  })

  test('that a mutant survives is a violation; one that could not run mutants is inconclusive', () => {
    const mutants = { total: 2, killed: 1, survivors: ['no compare-and-set'], why: null }
    const results = [done('lost-commits')]
    expect(concluded(results, { ...nothingBeside, mutants })).toMatchObject({
      exitCode: 4,
      mutants: { total: 2, killed: 1 },
      violations: ['mutant no compare-and-set was not killed'],
    })
    const missing = { total: 0, killed: 0, survivors: [], why: 'not there' }
    expect(concluded(results, { ...nothingBeside, mutants: missing }).exitCode).toBe(5)
  })

  test('of simulation that has not come to all of its seeds is inconclusive, one that found something a violation', () => {
    const simulation = { target: 100, seeds: 99, violations: [], seconds: 1, why: 'interrupted' }
    expect(concluded([], { ...nothingBeside, simulation }).exitCode).toBe(5)
    const whole = { ...simulation, seeds: 100, why: null }
    expect(concluded([], { ...nothingBeside, simulation: whole }).exitCode).toBe(0)
    const found = { ...whole, violations: ['seed 7: a record is lost'] }
    expect(concluded([], { ...nothingBeside, simulation: found }).exitCode).toBe(4)
  })

  test('is printed with a row for each engine', () => {
    const text = reportText(concluded([done('lost-commits')]))
    expect(text).toMatch(/COMMIT answers lost, PostgreSQL +50 +50 {2}25\.0\/s/)
    expect(text).toMatch(/records lost +0 +0 {2}of 100 that were checked/)
  })
})
