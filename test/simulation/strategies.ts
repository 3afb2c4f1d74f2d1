import { collectThenCommit } from '../../src/strategy/collect-then-commit.ts'
import { perPartition } from '../../src/strategy/per-partition.ts'
import { repartitionToOne } from '../../src/strategy/repartition-to-one.ts'
import type { StrategyPlan } from '../../src/strategy/strategy.ts'
import { simulatedFileHandoff } from './file-handoff.ts'

export const strategies = {
  collectThenCommit: () => collectThenCommit(),
  perPartition: () => perPartition({ connections: 2 }),
  fileHandoff: () => simulatedFileHandoff(),
  repartitionToOne: () => repartitionToOne({ chunkRecords: 3, maxStallMs: 2_000 }),
} satisfies Record<string, () => StrategyPlan>

export type StrategyName = keyof typeof strategies

/** Those among which a seed chooses; `fileHandoff` has a test of its own, file-handoff.test.ts. */
export const strategyNames = ['collectThenCommit', 'perPartition', 'repartitionToOne'] as const
