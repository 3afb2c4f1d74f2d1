import { collectThenCommit } from '../../src/strategy/collect-then-commit.ts'
import { perPartition } from '../../src/strategy/per-partition.ts'
import { repartitionToOne } from '../../src/strategy/repartition-to-one.ts'
import type { StrategyPlan } from '../../src/strategy/strategy.ts'

/** The strategies among which a seed chooses. */
export const strategies = {
  collectThenCommit: () => collectThenCommit(),
  perPartition: () => perPartition({ connections: 2 }),
  repartitionToOne: () => repartitionToOne({ chunkRecords: 3, maxStallMs: 2_000 }),
} satisfies Record<string, () => StrategyPlan>

export type StrategyName = keyof typeof strategies

export const strategyNames = Object.keys(strategies) as [StrategyName, ...StrategyName[]]
