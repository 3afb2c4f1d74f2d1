import { batchToCommit, commitBatch, deliverBatch, type StrategyPlan } from 'oncesink/strategy'

/** Wrong on purpose: rows have a transaction of their own, and the offsets follow in a second one. */
export default {
  name: 'rowsFirst',
  create(parts) {
    return {
      name: 'rowsFirst',
      unit: 'batch',
      async commit(batch) {
        const connection = await parts.session.connection()
        const trx = await connection.begin('batch')
        let error: unknown = null
        const rows = await deliverBatch(trx, parts, batch).catch((thrown: unknown) => {
          error = thrown
          return 0
        })
        if (error === null) await trx.commit()
        else await trx.rollback()
        const { outcomes, ...phases } = await commitBatch(parts.session, batchToCommit(batch), async () => {
          if (error !== null) throw error
          return { rows, contents: batch.results }
        })
        return { outcomes, rows, phases }
      },
    }
  },
} satisfies StrategyPlan
