import { strategyContract } from 'oncesink/testing'
import { afterAll, describe, test, vi } from 'vitest'
import { chosenEngines } from '../support/chosen-engines.ts'

// Scenarios wait more than they work: for sessions that expire, for processes that start.
vi.setConfig({ maxConcurrency: 8 })

const module = (name: string) => new URL(`../support/strategies/${name}.ts`, import.meta.url)

const contract = strategyContract({
  strategies: { collectThenCommit: module('collect-then-commit') },
  engines: chosenEngines(),
})

describe.concurrent('the contract of strategies', () => {
  afterAll(() => contract.close())

  for (const { name, timeoutMs, run } of contract.scenarios) test(name, { timeout: timeoutMs }, run)
})
