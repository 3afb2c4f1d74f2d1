import { type ContractScenario, strategyContract } from 'oncesink/testing'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { chosenEngines } from '../support/chosen-engines.ts'

// Scenarios wait more than they work: for sessions that expire, for processes that start.
vi.setConfig({ maxConcurrency: 5 })

const module = (name: string) => new URL(`../support/strategies/${name}.ts`, import.meta.url)

describe.concurrent('every strategy keeps the contract:', () => {
  const contract = strategyContract({
    strategies: {
      collectThenCommit: module('collect-then-commit'),
      repartitionToOne: module('repartition-to-one'),
      perPartition: module('per-partition'),
      fileHandoff: module('file-handoff'),
    },
    engines: chosenEngines(),
  })
  afterAll(() => contract.close())

  for (const { name, timeoutMs, run } of contract.scenarios) test(name, { timeout: timeoutMs }, run)
})

describe.concurrent('a strategy of a few lines', () => {
  const contract = strategyContract({
    strategies: { oneAtATime: module('one-at-a-time') },
    engines: ['postgres'],
  })
  afterAll(() => contract.close())

  for (const { name, timeoutMs, run } of contract.scenarios) test(name, { timeout: timeoutMs }, run)
})

describe.concurrent('a strategy that is wrong', () => {
  const contract = strategyContract({
    strategies: { rowsFirst: module('rows-first'), repeatsInPlace: module('repeats-in-place') },
    engines: ['postgres'],
  })
  afterAll(() => contract.close())

  const scenario = (strategy: string, what: RegExp): ContractScenario => {
    const found = contract.scenarios.find(({ strategy: of, name }) => of === strategy && what.test(name))
    if (!found) throw new Error(`there is no scenario ${what} of ${strategy}`)
    return found
  }

  const timeout = 600_000

  test('because rows and offsets are two transactions is caught when it is killed between them', {
    timeout,
  }, async () => {
    const { run } = scenario('rowsFirst', /SIGKILL/)
    await expect(run()).rejects.toThrow(
      /after it was killed at transaction\..*\n.*witness: (not due|\d+ times): /,
    )
  })

  test('because it repeats what may have been committed is caught when an answer is lost', {
    timeout,
  }, async () => {
    const { run } = scenario('repeatsInPlace', /COMMIT/)
    await expect(run()).rejects.toThrow(/witness: \d+ times: /)
  })

  test('and both are right as long as nothing happens', { timeout }, async () => {
    await scenario('rowsFirst', /without any fault/).run()
    await scenario('repeatsInPlace', /without any fault/).run()
  })
})
