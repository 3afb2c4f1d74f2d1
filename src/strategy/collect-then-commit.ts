import { collectPartials } from '../aggregation/collect.ts'
import { commitBatch } from '../database/protocol/commit-batch.ts'
import type { JobSession } from '../database/protocol/session.ts'
import { invariant } from '../errors.ts'
import type { PipelinePlan } from '../pipeline/plan.ts'
import { deliver } from '../sink/deliver.ts'
import type { ComputedBatch, Strategy } from './strategy.ts'

/**
 * The default strategy: partial results are collected and merged in partition order, then one transaction on one
 * connection writes the results of every pipeline and all ranges. Atomic unit: the batch.
 */
export function collectThenCommit(session: JobSession, pipelines: readonly PipelinePlan[]): Strategy {
  return {
    name: 'collectThenCommit',
    async commit(batch) {
      const collected = pipelines.map((pipeline, i) =>
        collectPartials(
          pipeline.terminal,
          batch.results.map((result) => partialAt(result.partials, i)),
        ),
      )
      const info = {
        batchId: batch.batchId,
        job: session.job,
        ranges: batch.results.map((result) => result.range),
        records: batch.results.reduce((sum, result) => sum + result.records, 0),
      }
      const report = await commitBatch(session, batch.batchId, claimedRanges(batch), async (trx) => {
        let rows = 0
        for (const [i, pipeline] of pipelines.entries()) {
          rows += await deliver(trx, pipeline, partialAt(collected, i), info)
        }
        return rows
      })
      const { outcomes, rows, ...phases } = report
      return { outcomes, rows, phases }
    },
  }
}

function claimedRanges(batch: ComputedBatch) {
  return batch.results.map(({ range, records, leaderEpoch }, i) => {
    const claim = batch.claims[i]
    invariant(claim, 'every range of a batch has a claim')
    return { range, claim, leaderEpoch, records }
  })
}

function partialAt<T>(partials: readonly T[], i: number): T {
  const partial = partials[i]
  invariant(partial !== undefined, 'a partition task gives one partial result per pipeline')
  return partial
}
