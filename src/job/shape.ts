import { isPlainObject } from '../model/plain-object.ts'
import type { PipelinePlan } from '../pipeline/plan.ts'
import type { Job } from './job.ts'

/*
 * The shape of a job is what the rows in its tables mean: key columns and windows, aggregates with their scales and
 * columns, and the sink. Functions are no part of it, nor are decoders and the names of fields in the code: they may
 * change between runs. Neither is the order in which pipelines, keys and aggregates are written.
 */

/** Changes only with the meaning of the text itself. */
const SHAPE_VERSION = 1

type ShapeOfPipeline = Readonly<Record<string, unknown>>

/** Canonical JSON of the job's shape: equal texts are equal shapes. */
export function shapeOf(job: Pick<Job, 'pipelines'>): string {
  const pipelines = job.pipelines.map(shapeOfPipeline).map((shape) => JSON.stringify(shape))
  return `{"version":${SHAPE_VERSION},"pipelines":[${pipelines.sort().join(',')}]}`
}

/** Tables that the job declares to write, each once, sorted. */
export function sinkTablesOf(job: Pick<Job, 'pipelines'>): string[] {
  return [...new Set(job.pipelines.flatMap((pipeline) => tableOf(pipeline) ?? []))].sort()
}

/** The table of a pipeline's sink; null where statements of the user's decide. */
export function tableOf({ sink }: PipelinePlan): string | null {
  return 'table' in sink ? sink.table : null
}

/** Fields are in fixed order, and every list is sorted by column: that makes the JSON canonical. */
function shapeOfPipeline({ terminal, sink }: PipelinePlan): ShapeOfPipeline {
  const columns = sink.kind === 'merge' || sink.kind === 'upsert' ? sink.columns : {}
  const columnOf = (name: string) => (Object.hasOwn(columns, name) ? columns[name] : undefined) ?? name
  const shape: Record<string, unknown> = { sink: sink.kind }
  if ('table' in sink) shape.table = sink.table
  if (terminal.kind === 'aggregate') {
    shape.keys = byColumn(
      terminal.keys.map(({ name, windowMs, everyMs }) => ({
        column: columnOf(name),
        ...(windowMs === undefined ? {} : { windowMs }),
        ...(everyMs === undefined ? {} : { everyMs }),
      })),
    )
    shape.aggregates = byColumn(
      terminal.aggregates.map(({ name, fn, by }) => ({
        column: columnOf(name),
        kind: fn.kind,
        ...(by === undefined ? {} : { by: columnOf(by) }),
        ...(fn.scale === undefined ? {} : { scale: fn.scale }),
      })),
    )
  }
  if (sink.kind === 'upsert') {
    shape.keys = byColumn(sink.keys.map(({ name }) => ({ column: columnOf(name) })))
    shape.tombstones = sink.tombstones
    const fields = Object.entries(sink.columns).filter(
      ([field]) => !sink.keys.some(({ name }) => name === field),
    )
    shape.columns = byColumn(fields.map(([field, column]) => ({ column, field })))
  }
  if (sink.kind === 'append') {
    shape.columns = byColumn(Object.entries(sink.columns).map(([field, column]) => ({ column, field })))
    shape.meta = byColumn(Object.entries(sink.meta).map(([field, column]) => ({ column, field })))
  }
  return shape
}

function byColumn<T extends { readonly column: string }>(entries: readonly T[]): T[] {
  return entries.toSorted((a, b) => (a.column < b.column ? -1 : 1))
}

/** What differs between two shapes, one difference a line, for a person to judge. */
export function describeShapeChange(oldShape: string, newShape: string): string {
  const [before, after] = [parse(oldShape), parse(newShape)]
  if (!before || !after) return `  - the stored shape is not one that this version knows: ${oldShape}`
  const lines = before.flatMap((old) => {
    const now = after.find((candidate) => nameOf(candidate) === nameOf(old))
    return now ? differences(old, now) : [`no longer: ${nameOf(old)}`]
  })
  const added = after.filter((now) => !before.some((old) => nameOf(old) === nameOf(now)))
  lines.push(...added.map((now) => `new: ${nameOf(now)}`))
  if (lines.length === 0 && oldShape !== newShape) lines.push(`the shape was ${oldShape} and is ${newShape}`)
  return lines.map((line) => `  - ${line}`).join('\n')
}

function parse(shape: string): ShapeOfPipeline[] | null {
  try {
    const value: unknown = JSON.parse(shape)
    const known = isPlainObject(value) && value.version === SHAPE_VERSION && Array.isArray(value.pipelines)
    return known ? (value.pipelines as ShapeOfPipeline[]) : null
  } catch {
    // Not JSON: then it is not a shape of this version, which is what null says.
    return null
  }
}

/** What makes two versions of a pipeline the same one. */
function nameOf(shape: ShapeOfPipeline): string {
  return 'table' in shape ? `${shape.sink} into ${shape.table}` : `${shape.sink}()`
}

const lists = { keys: 'key', aggregates: 'aggregate', columns: 'column', meta: 'meta column' } as const

function differences(old: ShapeOfPipeline, now: ShapeOfPipeline): string[] {
  return Object.entries(lists).flatMap(([list, word]) => {
    const [before, after] = [entriesOf(old[list]), entriesOf(now[list])]
    const columns = [...new Set([...before.keys(), ...after.keys()])]
    return columns.flatMap((column) => {
      const [was, is] = [before.get(column), after.get(column)]
      if (was === is) return []
      const where = `${nameOf(old)}: ${word} '${column}'`
      if (was === undefined) return [`${where} is new${is === '' ? '' : ` (${is})`}`]
      if (is === undefined) return [`${where} is gone${was === '' ? '' : ` (was ${was})`}`]
      return [`${where} was ${was || 'plain'} and is ${is || 'plain'}`]
    })
  })
}

/** By column: the rest of the entry as text. */
function entriesOf(list: unknown): Map<string, string> {
  const entries: readonly unknown[] = Array.isArray(list) ? list : []
  return new Map(
    entries.filter(isPlainObject).map(({ column, ...rest }) => [
      String(column),
      Object.entries(rest)
        .map(([name, value]) => `${name} ${value}`)
        .join(', '),
    ]),
  )
}
