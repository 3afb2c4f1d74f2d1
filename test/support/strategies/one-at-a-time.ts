import { commitTogether, mergeReports, type StrategyPlan } from 'oncesink/strategy'

/**
 * A fifth strategy: the ranges of a batch commit one after another, each in a transaction of its own, on the one connection
 * that the job has. A range that fails does not take the others of its batch along.
 */
export default {
  name: 'oneAtATime',
  create: (parts) => ({
    name: 'oneAtATime',
    unit: 'batch',
    async commit(batch) {
      const reports = []
      for (const [i, result] of batch.results.entries()) {
        const part = { ...batch, results: [result], claims: batch.claims.slice(i, i + 1) }
        reports.push(await commitTogether(parts, part))
      }
      return mergeReports(reports)
    },
  }),
} satisfies StrategyPlan
