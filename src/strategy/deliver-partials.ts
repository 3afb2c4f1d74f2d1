import type { PartialResult } from '../aggregation/partial-result.ts'
import type { Transaction } from '../database/dialect.ts'
import { invariant } from '../errors.ts'
import type { PartitionResult } from '../executor/executor.ts'
import type { BatchInfo } from '../model/micro-batch.ts'
import type { PipelinePlan } from '../pipeline/plan.ts'
import { deliver } from '../sink/deliver.ts'

/**
 * Hands one result per pipeline to the pipelines' sinks, in the order of the pipelines: the same for every transaction.
 * @returns the rows handed over
 */
export async function deliverPartials(
  trx: Transaction,
  pipelines: readonly PipelinePlan[],
  partials: readonly PartialResult[],
  batch: BatchInfo,
): Promise<number> {
  let rows = 0
  for (const [i, pipeline] of pipelines.entries()) {
    rows += await deliver(trx, pipeline, partialAt(partials, i), batch)
  }
  return rows
}

/** The partial results of one pipeline: those of ranges that were added up as one come with the first of them. */
export function partialsOf(
  results: readonly Pick<PartitionResult, 'partials'>[],
  i: number,
): PartialResult[] {
  const [first] = results
  invariant(
    first === undefined || first.partials.length > 0,
    'what ranges have come to is in the first of them',
  )
  return results.filter(({ partials }) => partials.length > 0).map(({ partials }) => partialAt(partials, i))
}

function partialAt(partials: readonly PartialResult[], i: number): PartialResult {
  const partial = partials[i]
  invariant(partial !== undefined, 'a partition task gives one partial result per pipeline')
  return partial
}
