import { writeFileSync } from 'node:fs'
import { collectThenCommit } from 'oncesink'
import { type ComputedBatch, deliverBatch, type StrategyPlan } from 'oncesink/strategy'

/** What a run has spent where, in milliseconds; written to BENCH_PHASES when the process ends. */
export interface Phases {
  advanceMs: number
  rowsMs: number
  ledgerMs: number
  commitMs: number
}

/** The strategy of a benchmark's job: the default one, that one with its phases summed up, or the one without guards. */
export function strategyOf(name: string): StrategyPlan {
  if (name === 'timed') return timed()
  return name === 'unguarded' ? unguarded() : collectThenCommit()
}

function timed(): StrategyPlan {
  const sums: Phases = { advanceMs: 0, rowsMs: 0, ledgerMs: 0, commitMs: 0 }
  process.once('exit', () => writeFileSync(process.env.BENCH_PHASES ?? '', JSON.stringify(sums)))
  return {
    name: 'timed',
    create(parts) {
      const strategy = collectThenCommit().create(parts)
      if (strategy.unit !== 'batch') throw new Error('collectThenCommit commits batches')
      return {
        ...strategy,
        async commit(batch: ComputedBatch) {
          const report = await strategy.commit(batch)
          for (const phase of Object.keys(sums) as (keyof Phases)[]) sums[phase] += report.phases[phase]
          return report
        },
      }
    },
  }
}

/**
 * What a sink without exactly-once would do: the rows in a transaction, and nothing else; offsets are in memory only. For
 * comparison, and wrong: a restart would count everything again.
 */
function unguarded(): StrategyPlan {
  return {
    name: 'unguarded',
    create: (parts) => ({
      name: 'unguarded',
      unit: 'batch',
      async commit(batch) {
        const connection = await parts.session.connection()
        const trx = await connection.begin('batch')
        const rows = await deliverBatch(trx, parts, batch)
        const { kind } = await trx.commit()
        if (kind !== 'committed') throw new Error(`a COMMIT without guards was ${kind}`)
        return {
          outcomes: batch.results.map(({ range }) => ({ kind, range })),
          rows,
          phases: { advanceMs: 0, rowsMs: 0, ledgerMs: 0, commitMs: 0 },
        }
      },
    }),
  }
}
