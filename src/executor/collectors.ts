import { KeyColumns } from '../aggregation/group-key.ts'
import type { Group, PartialResult, RowOrigin } from '../aggregation/partial-result.ts'
import { OncesinkError } from '../errors.ts'
import type { RecordMeta as MetaOf } from '../model/record-meta.ts'
import type { PipelinePlan, Terminal } from '../pipeline/plan.ts'
import { headersDocument } from '../sink/headers-document.ts'
import { LatestRows } from '../sink/latest-rows.ts'
import type { AppendPlan, UpsertPlan } from '../sink/sink-plan.ts'
import { storedRow, storedValue } from '../sink/stored-row.ts'
import type { RecordSegment } from '../source/record-segment.ts'
import { ColumnCollector, type ColumnState } from './column-collector.ts'
import { FunctionFailure, refusePromise } from './function-failure.ts'
import { GroupTable } from './group-table.ts'
import { RowTextCollector } from './row-text-collector.ts'
import type { RowTextPlan } from './row-text-plan.ts'
import type { Push } from './steps.ts'

type RecordMeta = MetaOf<unknown>
type TerminalOf<K extends Terminal['kind']> = Extract<Terminal, { kind: K }>

/** Takes records from their bytes, where it can. */
export interface FromBytes {
  /** Whether it takes enough of the records to be worth asking. */
  readonly isWorthwhile: boolean
  /** @returns whether the record was taken; if not, it has to go the general way */
  add(segment: RecordSegment, i: number): boolean
}

/** What is known of a pipeline that makes it faster; null for none. */
export interface FastWays {
  /** Where its groups can be added up from bytes. */
  readonly columns: ColumnState | null
  /** Where its rows can be written from bytes. */
  readonly rowText: RowTextPlan | null
}

export const noFastWays: FastWays = { columns: null, rowText: null }

/** Gathers one pipeline's values of one range. */
export interface Collector {
  readonly push: Push
  readonly fromBytes?: FromBytes
  finish(): PartialResult
}

/**
 * Makes the collectors of one pipeline, one per range. `suffix` tells the pipelines of a job apart in messages.
 */
export function collectorsOf(
  pipeline: PipelinePlan,
  suffix: string,
  fast: FastWays = noFastWays,
): () => Collector {
  const { terminal } = pipeline
  switch (terminal.kind) {
    case 'aggregate': {
      const columns = new KeyColumns()
      // A range that comes to no end must not leave behind which types its keys had.
      return () => groupCollector(terminal, columns, suffix, fast.columns)
    }
    case 'reduce':
      return () => reduceCollector(terminal, suffix)
    case 'rows': {
      const { sink } = pipeline
      const { rowText } = fast
      if (rowText) return () => rowTextCollector(rowText)
      if (sink.kind === 'append') return () => appendCollector(sink, suffix)
      if (sink.kind !== 'upsert') return rowCollector
      const columns = new KeyColumns()
      return () => upsertCollector(sink, columns, suffix)
    }
  }
}

function groupCollector(
  { keys, aggregates }: TerminalOf<'aggregate'>,
  shared: KeyColumns,
  suffix: string,
  state: ColumnState | null,
): Collector {
  const fns = aggregates.map(({ fn }) => fn)
  const columns = shared.fork()
  const table = new GroupTable(columns, fns)
  const values: unknown[] = keys.map(() => undefined)

  const select = (value: unknown, meta: RecordMeta): void => {
    let column = 0
    try {
      for (; column < keys.length; column++) values[column] = keys[column]?.select(value, meta)
    } catch (error) {
      throw new FunctionFailure(`key '${keys[column]?.name}'${inBrackets(suffix)}`, error)
    }
  }
  const groupOf = (): Group => {
    try {
      return table.groupOf(values)
    } catch (error) {
      throw new FunctionFailure(`key '${keys[table.column]?.name}'${inBrackets(suffix)}`, error)
    }
  }

  const addTo = ({ states }: Group, value: unknown, meta: RecordMeta): void => {
    let i = 0
    try {
      for (; i < fns.length; i++) states[i] = fns[i]?.add(states[i], value, meta)
    } catch (error) {
      throw new FunctionFailure(`aggregate '${aggregates[i]?.name}'${inBrackets(suffix)}`, error)
    }
  }

  const hopping = keys.findIndex(({ everyMs }) => everyMs !== undefined)
  const fromBytes = state && new ColumnCollector(state, (found) => table.groupOf(found))
  return {
    ...(fromBytes && { fromBytes }),
    push(value, meta) {
      select(value, meta)
      if (hopping === -1) {
        addTo(groupOf(), value, meta)
        return
      }
      for (const start of values[hopping] as readonly unknown[]) {
        values[hopping] = start
        addTo(groupOf(), value, meta)
      }
    },
    finish() {
      fromBytes?.finish()
      shared.adopt(columns)
      return { kind: 'groups', groups: table.groups }
    },
  }
}

function reduceCollector({ zero, add }: TerminalOf<'reduce'>, suffix: string): Collector {
  const where = `'add' of reduce${inBrackets(suffix)}`
  let accumulator = startWith(zero, suffix)
  return {
    push(value, meta) {
      try {
        accumulator = add(accumulator, value, meta)
      } catch (error) {
        throw new FunctionFailure(where, error)
      }
      refusePromise(where, accumulator)
    },
    finish: () => ({ kind: 'reduced', value: accumulator }),
  }
}

/** No record is at hand yet, so this fails without coordinates. */
function startWith(zero: () => unknown, suffix: string): unknown {
  const where = `'zero' of reduce${inBrackets(suffix)}`
  try {
    return refusePromise(where, zero())
  } catch (error) {
    const { message } = error instanceof FunctionFailure ? error : new FunctionFailure(where, error)
    throw new OncesinkError('JOB_FUNCTION_FAILED', `${where} failed: ${message}.`, { cause: error })
  }
}

function rowCollector(): Collector {
  const rows: unknown[] = []
  return { push: (value) => rows.push(value), finish: () => ({ kind: 'rows', rows, metas: null }) }
}

function appendCollector({ meta: wanted }: AppendPlan, suffix: string): Collector {
  const rows: unknown[] = []
  const where = `append row${inBrackets(suffix)}`
  const hasMeta = Object.keys(wanted).length > 0
  const metas: RowOrigin[] | null = hasMeta ? [] : null
  return {
    push(value, meta) {
      try {
        rows.push(storedRow(value, hasMeta))
        metas?.push(originOf(meta, wanted))
      } catch (error) {
        throw new FunctionFailure(where, error)
      }
    },
    finish: () => ({ kind: 'rows', rows, metas }),
  }
}

/** Whatever the fields of `fields()` give has its place in a row. */
function rowTextCollector(plan: RowTextPlan): Collector {
  const fromBytes = new RowTextCollector(plan)
  return {
    fromBytes,
    push: (value, meta) => fromBytes.push(value as Readonly<Record<string, unknown>>, meta),
    finish: () => fromBytes.finish(),
  }
}

function upsertCollector(sink: UpsertPlan, shared: KeyColumns, suffix: string): Collector {
  const where = `upsert row${inBrackets(suffix)}`
  const columns = shared.fork()
  const rows = new LatestRows(sink, columns)
  return {
    push(value, meta) {
      try {
        rows.push(value, meta)
      } catch (error) {
        throw new FunctionFailure(where, error)
      }
    },
    finish() {
      shared.adopt(columns)
      return { kind: 'latest', names: sink.keys.map(({ name }) => name), latest: rows.latest }
    },
  }
}

/** A plain copy: rows wait for the commit, and must not keep the fetch response alive. */
function originOf(meta: RecordMeta, wanted: AppendPlan['meta']): RowOrigin {
  const { topic, partition, offset, timestampMs } = meta
  return {
    topic,
    partition,
    offset,
    timestampMs,
    ...(wanted.key !== undefined && { key: storedValue("the record's key", meta.key) }),
    ...(wanted.headers !== undefined && { headers: headersDocument(meta.headers) }),
  }
}

function inBrackets(suffix: string): string {
  return suffix === '' ? '' : ` (${suffix.replace(/^, /, '')})`
}
