import { commitTogether, deliverBatch, type StrategyPlan } from 'oncesink/strategy'

/** Wrong on purpose: takes a COMMIT without an answer for one that has failed, and writes the rows once more. */
export default {
  name: 'repeatsInPlace',
  create(parts) {
    return {
      name: 'repeatsInPlace',
      unit: 'batch',
      async commit(batch) {
        const report = await commitTogether(parts, batch)
        if (report.outcomes.every(({ kind }) => kind !== 'unknown')) return report
        parts.session.drop()
        const trx = await (await parts.session.connection()).begin('batch')
        await deliverBatch(trx, parts, batch)
        await trx.commit()
        return report
      },
    }
  },
} satisfies StrategyPlan
