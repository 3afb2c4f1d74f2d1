import { collectPartials } from '../aggregation/collect.ts'
import type { Transaction } from '../database/dialect.ts'
import { type BatchToCommit, commitBatch } from '../database/protocol/commit-batch.ts'
import { invariant } from '../errors.ts'
import { deliver } from '../sink/deliver.ts'
import { partialsOf } from './deliver-partials.ts'
import type { CommitReport, ComputedBatch, StrategyParts } from './strategy.ts'

/**
 * Commits everything that a computed batch holds in one transaction on the job's connection, in the order that every
 * strategy keeps: compare-and-set of the ranges, rows, dead letters, ledger, COMMIT.
 * @param beside what else belongs into the transaction, after the sinks' rows
 * @returns what to return from `commit`. It rejects only with `crash` errors
 */
export async function commitTogether(
  parts: Pick<StrategyParts, 'session' | 'pipelines'>,
  batch: ComputedBatch,
  beside: (trx: Transaction) => Promise<unknown> = async () => {},
): Promise<CommitReport> {
  const report = await commitBatch(parts.session, batchToCommit(batch), async (trx) => {
    const rows = await deliverBatch(trx, parts, batch)
    await beside(trx)
    return { rows, contents: batch.results }
  })
  const { outcomes, rows, ...phases } = report
  return { outcomes, rows, phases }
}

/** The ranges of a computed batch with their claims, as `commitBatch` takes them. */
export function batchToCommit({ batchId, results, claims, deadLetterLimit }: ComputedBatch): BatchToCommit {
  const ranges = results.map(({ range, leaderEpoch }, i) => {
    const claim = claims[i]
    invariant(claim, 'every range of a batch has a claim')
    return { range, claim, leaderEpoch }
  })
  return { batchId, ranges, deadLetterLimit }
}

/**
 * Merges the partial results of a computed batch, pipeline by pipeline, and hands them to the sinks.
 * @returns the rows handed over
 * @throws OncesinkError what the sinks and the database throw; the transaction is to be rolled back then
 */
export async function deliverBatch(
  trx: Transaction,
  { session, pipelines }: Pick<StrategyParts, 'session' | 'pipelines'>,
  { batchId, results }: ComputedBatch,
): Promise<number> {
  const info = {
    batchId,
    job: session.job,
    ranges: results.map(({ range }) => range),
    records: results.reduce((sum, { records }) => sum + records, 0),
    deadLetters: results.reduce((sum, { deadLetters }) => sum + deadLetters.length, 0),
  }
  let rows = 0
  for (const [i, pipeline] of pipelines.entries()) {
    const collected = collectPartials(pipeline.terminal, partialsOf(results, i))
    rows += await deliver(trx, pipeline, collected, info)
  }
  return rows
}

/** One report of transactions that came one after another, each of which had some of a batch's ranges, in their order. */
export function mergeReports(reports: readonly CommitReport[]): CommitReport {
  const sum = (of: (report: CommitReport) => number) =>
    reports.reduce((total, report) => total + of(report), 0)
  return {
    outcomes: reports.flatMap(({ outcomes }) => outcomes),
    rows: sum(({ rows }) => rows),
    phases: {
      advanceMs: sum(({ phases }) => phases.advanceMs),
      rowsMs: sum(({ phases }) => phases.rowsMs),
      ledgerMs: sum(({ phases }) => phases.ledgerMs),
      commitMs: sum(({ phases }) => phases.commitMs),
    },
  }
}
