import type { PartialResult } from '../aggregation/partial-result.ts'
import type { Transaction } from '../database/dialect.ts'
import { invariant } from '../errors.ts'
import type { BatchInfo } from '../model/micro-batch.ts'
import type { PipelinePlan } from '../pipeline/plan.ts'
import { appendTextWrite, appendWrites } from './append-writes.ts'
import { mergeColumns } from './merge-columns.ts'
import { rowValues, sortedRows } from './rows.ts'
import { upsertWrites } from './upsert-writes.ts'

/**
 * Hands one pipeline's collected result to its sink, inside the batch transaction. Rows of an aggregate are sorted by
 * key, in one order for every writer: parallel writers then cannot deadlock. A sink without rows is not called, except
 * `writeResult`, which is called whenever the batch has records that were not left out.
 *
 * @returns the rows handed over; a reduced result counts as one
 * @throws OncesinkError JOB_FUNCTION_FAILED when a result does not fit its column, or what the dialect throws
 */
export async function deliver(
  trx: Transaction,
  pipeline: PipelinePlan,
  collected: PartialResult,
  batch: BatchInfo,
): Promise<number> {
  const { terminal, sink } = pipeline
  switch (sink.kind) {
    case 'merge': {
      invariant(terminal.kind === 'aggregate' && collected.kind === 'groups', 'merge takes groups')
      const rows = sortedRows(terminal, collected.groups)
      if (rows.length === 0) return 0
      return await trx.mergeRows({ table: sink.table, ...mergeColumns(terminal, sink), rows })
    }
    case 'upsert': {
      invariant(collected.kind === 'latest', 'upsert takes the last rows')
      let sent = 0
      for (const upsertWrite of upsertWrites(sink, collected)) sent += await trx.upsertRows(upsertWrite)
      return sent
    }
    case 'append': {
      if (collected.kind === 'row text') {
        return collected.text.rows === 0 ? 0 : await trx.appendText(appendTextWrite(sink, collected))
      }
      invariant(collected.kind === 'rows', 'append takes rows')
      let sent = 0
      for (const appendWrite of appendWrites(sink, collected)) sent += await trx.appendRows(appendWrite)
      return sent
    }
    case 'write': {
      const rows = rowValues(terminal, collected) as never[]
      if (rows.length > 0) await trx.runUserCode((handle) => sink.write(handle, rows, batch))
      return rows.length
    }
    case 'writeResult': {
      invariant(collected.kind === 'reduced', 'writeResult takes the result of a reduce')
      if (batch.records === batch.deadLetters) return 0
      await trx.runUserCode((handle) => sink.write(handle, collected.value as never, batch))
      return 1
    }
  }
}
