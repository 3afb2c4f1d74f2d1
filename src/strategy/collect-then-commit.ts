import { collectPartials } from '../aggregation/collect.ts'
import type { PartialResult } from '../aggregation/partial-result.ts'
import { commitBatch } from '../database/protocol/commit-batch.ts'
import { asError, invariant, OncesinkError } from '../errors.ts'
import { deliverPartials, partialsOf } from './deliver-partials.ts'
import type {
  CommitReport,
  ComputedBatch,
  ComputedStrategy,
  StrategyParts,
  StrategyPlan,
} from './strategy.ts'

/**
 * The default strategy: partial results are collected and merged in partition order, then one transaction on one
 * connection writes the results of every pipeline and all ranges. Atomic unit: the batch.
 */
export function collectThenCommit(): StrategyPlan {
  return Object.freeze({ name: 'collectThenCommit', create })
}

function create({ session, pipelines }: StrategyParts): ComputedStrategy {
  return {
    name: 'collectThenCommit',
    unit: 'batch',
    joinsRanges: true,
    async commit(batch) {
      let collected: readonly PartialResult[]
      try {
        collected = pipelines.map((pipeline, i) =>
          collectPartials(pipeline.terminal, partialsOf(batch.results, i)),
        )
      } catch (error) {
        return notBegun(batch, asError(error))
      }
      const info = {
        batchId: batch.batchId,
        job: session.job,
        ranges: batch.results.map((result) => result.range),
        records: batch.results.reduce((sum, result) => sum + result.records, 0),
        deadLetters: batch.results.reduce((sum, result) => sum + result.deadLetters.length, 0),
      }
      const { batchId, deadLetterLimit } = batch
      const toCommit = { batchId, ranges: claimedRanges(batch), deadLetterLimit }
      const report = await commitBatch(session, toCommit, async (trx) => ({
        rows: await deliverPartials(trx, pipelines, collected, info),
        contents: batch.results,
      }))
      const { outcomes, rows, ...phases } = report
      return { outcomes, rows, phases }
    },
  }
}

/** The report of a batch whose results do not go together: the database has not heard of it. */
function notBegun({ results }: ComputedBatch, error: Error): CommitReport {
  if (error instanceof OncesinkError && error.disposition === 'crash') throw error
  return {
    outcomes: results.map(({ range }) => ({ kind: 'aborted', range, error })),
    rows: 0,
    phases: { advanceMs: 0, rowsMs: 0, ledgerMs: 0, commitMs: 0 },
  }
}

function claimedRanges(batch: ComputedBatch) {
  return batch.results.map(({ range, leaderEpoch }, i) => {
    const claim = batch.claims[i]
    invariant(claim, 'every range of a batch has a claim')
    return { range, claim, leaderEpoch }
  })
}
