import { count } from '../../src/aggregation/count.ts'
import { sum } from '../../src/aggregation/sum.ts'
import { string } from '../../src/decode/string.ts'
import { defineJob } from '../../src/job/define-job.ts'
import type { DatabasePlan, Job } from '../../src/job/job.ts'
import { deadLetter } from '../../src/job/poison.ts'
import { from } from '../../src/pipeline/from.ts'
import { merge } from '../../src/sink/merge.ts'
import type { SimulatedEngine } from './database.ts'
import { UNPARSABLE } from './log.ts'
import { type StrategyName, strategies } from './strategies.ts'

export interface JobWanted {
  readonly engine: SimulatedEngine
  readonly strategy: StrategyName
  readonly maxRecordsPerBatch: number
  /** Milliseconds between two batches; 0: at once. */
  readonly intervalMs: number
  /** Whether records that job or database cannot take are set aside. */
  readonly hasPoison: boolean
}

/** Counts records, and adds up their offsets: a record that is lost or comes twice shows in both. */
export function simulatedJob(wanted: JobWanted): Job {
  const { engine, strategy, maxRecordsPerBatch, intervalMs, hasPoison } = wanted
  return defineJob({
    name: 'simulated',
    database: { engine } as DatabasePlan,
    limits: { maxRecordsPerBatch },
    ledger: { digest: true },
    trigger: { intervalMs },
    strategy: strategies[strategy](),
    poison: hasPoison ? deadLetter() : 'fail',
    pipeline: from({ kind: 'simulated', startFrom: 'earliest' })
      .decode(string())
      .groupBy({ item: (value) => value })
      .aggregate({
        orders: count(),
        offsets: sum((value, meta) => refuseUnparsable(value) * Number(meta.offset)),
      })
      .into(merge({ table: 'totals' })),
  })
}

function refuseUnparsable(value: string): number {
  if (value === UNPARSABLE) throw new Error('this is no number')
  return 1
}
