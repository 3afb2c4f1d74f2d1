import { count } from '../../aggregation/count.ts'
import { sum } from '../../aggregation/sum.ts'
import { mysql } from '../../database/mysql/options.ts'
import { postgres } from '../../database/postgres/options.ts'
import { json } from '../../decode/json.ts'
import { defineJob } from '../../job/define-job.ts'
import type { Job } from '../../job/job.ts'
import { deadLetter } from '../../job/poison.ts'
import { from } from '../../pipeline/from.ts'
import type { Engine } from '../../services/index.ts'
import { append } from '../../sink/append.ts'
import { merge } from '../../sink/merge.ts'
import { upsert } from '../../sink/upsert.ts'
import { write, writeResult } from '../../sink/write.ts'
import { kafka } from '../../source/kafka/options.ts'
import type { StrategyPlan } from '../../strategy/strategy.ts'
import type { ContractEntry } from './contract-log.ts'

/** What differs between the jobs of the scenarios. */
export interface ContractJobSettings {
  readonly engine: Engine
  readonly databaseUrl: string
  readonly brokers: readonly string[]
  readonly topic: string
  /** Null for a job that owns every partition by itself. */
  readonly member: string | null
  readonly sessionTimeoutMs: number
  readonly poison: 'fail' | 'deadLetter'
}

/** Every process of a scenario runs the job of this name. */
export const JOB = 'strategy_contract'

const MAX_RECORDS = 48

/** What a witness row carries besides: a batch is then more than one piece of COPY. */
const padding = 'x'.repeat(2_500)

/**
 * The job of the contract: a pipeline into every kind of sink. Two of them are witnesses, one row per record, in tables
 * without any key, so that nothing but the protocol keeps a record from being there twice.
 */
export function contractJob(settings: ContractJobSettings, strategy: StrategyPlan): Job {
  const { engine, databaseUrl: connectionString, brokers, topic, member, sessionTimeoutMs } = settings
  const entries = from(
    kafka({
      brokers,
      topics: [topic],
      group: topic,
      assignment: member === null ? 'all' : 'group',
      ...(member !== null && { member, sessionTimeoutMs, heartbeatIntervalMs: sessionTimeoutMs / 5 }),
      // After a seek nothing waits at the broker for long.
      fetch: { maxWaitMs: 50 },
    }),
  ).decode(json<ContractEntry>())
  return defineJob({
    name: JOB,
    database: engine === 'postgres' ? postgres({ connectionString }) : mysql({ connectionString }),
    pipeline: [
      entries
        .map(refusePoison)
        .map(({ v }) => ({ v, padding }))
        .into(append({ table: 'witness', meta: { partition: 'part', offset: 'pos' } })),
      entries
        .groupBy({ k: ({ k }) => k })
        .aggregate({ records: count(), total: sum(({ v }) => v) })
        .into(merge({ table: 'totals' })),
      entries
        .map(({ k, v }, { partition }) => ({ k: `${partition}: ${k}`, v }))
        .into(upsert({ table: 'latest', key: 'k' })),
      entries
        .map((_, { partition, offset }) => ({ part: partition, pos: offset }))
        .into(
          write(async (trx, rows) => {
            await trx('noted').insert(rows.map(({ part, pos }) => ({ part, pos: String(pos) })))
          }),
        ),
      entries
        .reduce({
          zero: () => ({ records: 0, total: 0 }),
          add: (sums, { v }) => ({ records: sums.records + 1, total: sums.total + v }),
          merge: (a, b) => ({ records: a.records + b.records, total: a.total + b.total }),
        })
        .into(
          writeResult(async (trx, { records, total }, batch) => {
            await trx('sums').insert({ records, total, told: batch.records - batch.deadLetters })
          }),
        ),
    ],
    limits: { maxRecordsPerBatch: MAX_RECORDS },
    ledger: { digest: true },
    poison: settings.poison === 'fail' ? 'fail' : deadLetter({ maxPerWindow: 1_000_000 }),
    strategy,
  })
}

function refusePoison(entry: ContractEntry): ContractEntry {
  if (entry.poison === 'throws') throw new Error('this record is poison')
  return entry
}
