import type { Knex } from 'knex'
import type { BatchInfo } from '../model/micro-batch.ts'
import type { ResultSink, WriteSink } from './sink.ts'
import { checkCallback } from './sink-options.ts'
import type { WritePlan, WriteResultPlan } from './sink-plan.ts'

/**
 * The user's own statements, in the transaction of the offsets: with a knex handle, the batch's rows (sorted by key
 * after an aggregate, else in record order by partition) and what batch they belong to. Not called for a batch
 * without rows. With `repartitionToOne()` rows come chunk by chunk: it is called for each, in the same transaction and with the
 * same `batchId`, and the ranges and counts are the chunk's. (After an aggregate it is called once, at the end.)
 *
 * It may run several times for the same records, and only one run commits: effects outside of `trx` are not exactly
 * once.
 */
export function write<Row>(
  work: (trx: Knex, rows: readonly Row[], batch: BatchInfo) => Promise<unknown>,
): WriteSink<Row> {
  checkCallback('write', work)
  return { plan: Object.freeze({ kind: 'write', write: work as WritePlan['write'] }) }
}

/**
 * Like {@link write}, for the result of a `reduce`. Called for every batch that has records, also when the filters
 * have left none of them: the result is then what `zero()` gives.
 */
export function writeResult<Result>(
  work: (trx: Knex, result: Result, batch: BatchInfo) => Promise<unknown>,
): ResultSink<Result> {
  checkCallback('writeResult', work)
  return { plan: Object.freeze({ kind: 'writeResult', write: work as WriteResultPlan['write'] }) }
}
