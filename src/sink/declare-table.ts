import type { ColumnDeclaration, TableDeclaration } from '../database/table-declaration.ts'
import { OncesinkError } from '../errors.ts'
import type { Field, FieldKind } from '../fields/field.ts'
import type { AggregatePlan, PipelinePlan, Terminal } from '../pipeline/plan.ts'
import type { AppendPlan, MergePlan, MetaField } from './sink-plan.ts'

/*
 * The table that a sink with `createTable` declares. What the job knows by itself need not be said: aggregates that
 * count and add have one type, and so have a record's coordinates. Everything else is declared.
 */

/**
 * Null where the sink declares no table.
 * @throws OncesinkError CONFIGURATION_INVALID for a column that nobody has given a type
 */
export function declaredTable({ sink, terminal }: PipelinePlan): TableDeclaration | null {
  if (sink.kind !== 'merge' && sink.kind !== 'append') return null
  const { createTable, table } = sink
  if (createTable === null) return null
  if (sink.kind === 'merge' && terminal.kind === 'aggregate') {
    refuseUnknown('merge', createTable, [...terminal.keys, ...terminal.aggregates])
    return { table, ...mergeColumnsOf(sink, terminal, createTable) }
  }
  if (sink.kind === 'append') return { table, columns: appendColumns(sink, createTable), primaryKey: [] }
  return null
}

type Declared = Readonly<Record<string, Field<unknown>>>

function mergeColumnsOf(
  sink: MergePlan,
  terminal: Extract<Terminal, { kind: 'aggregate' }>,
  declared: Declared,
): Pick<TableDeclaration, 'columns' | 'primaryKey'> {
  const columnOf = (name: string) => sink.columns[name] ?? name
  const keys = terminal.keys.map(({ name }) => {
    const field = declared[name]
    if (!field) throw undeclared('merge', name, 'is a key')
    if (field.optional) throw invalid(`merge(): createTable.${name} is optional(), but a key is never null.`)
    return fromField(columnOf(name), field, false)
  })
  const aggregates = terminal.aggregates.map((aggregate) =>
    aggregateColumn(columnOf(aggregate.name), aggregate, declared[aggregate.name]),
  )
  return { columns: [...keys, ...aggregates], primaryKey: keys.map(({ name }) => name) }
}

function aggregateColumn(
  column: string,
  { name, fn }: AggregatePlan,
  field: Field<unknown> | undefined,
): ColumnDeclaration {
  switch (fn.kind) {
    case 'count':
    case 'sum':
    case 'countValues':
      return ofKind(column, 'integer')
    case 'sumDouble':
      return ofKind(column, 'double')
    case 'sumDecimal':
      return { ...ofKind(column, 'decimal'), scale: fn.scale ?? 0, precision: field?.precision ?? null }
    default:
      // Of a group whose values are all null there is none.
      if (field) return fromField(column, field, true)
      throw undeclared('merge', name, `is a ${fn.kind}, whose values may be of several types`)
  }
}

/** What a key is, the job's key decoder says, whose type is not known here. */
const metaKinds: Readonly<Record<Exclude<MetaField, 'key'>, FieldKind>> = {
  topic: 'text',
  partition: 'integer',
  offset: 'integer',
  timestamp: 'timestamp',
  headers: 'document',
}

function appendColumns(sink: AppendPlan, declared: Declared): ColumnDeclaration[] {
  const fields = Object.entries(declared).map(([name, field]) =>
    fromField(sink.columns[name] ?? name, field, field.optional),
  )
  const metas = Object.entries(sink.meta).map(([field, column]) => {
    if (field === 'key') {
      throw invalid(
        `append(): createTable cannot say of what type '${column}' is, the column of the record's key: give the key as a ` +
          'field of the row, map((value, meta) => ({ ...value, key: meta.key })), or create the table yourself.',
      )
    }
    return ofKind(column, metaKinds[field as keyof typeof metaKinds])
  })
  return [...fields, ...metas]
}

function fromField(name: string, field: Field<unknown>, nullable: boolean): ColumnDeclaration {
  const { kind, maxLength, scale, precision } = field
  return { name, kind, nullable, maxLength, scale, precision }
}

function ofKind(name: string, kind: FieldKind): ColumnDeclaration {
  return { name, kind, nullable: false, maxLength: null, scale: null, precision: null }
}

function refuseUnknown(
  factory: string,
  declared: Declared,
  known: readonly { readonly name: string }[],
): void {
  const names = known.map(({ name }) => name)
  const unknown = Object.keys(declared).find((name) => !names.includes(name))
  if (unknown === undefined) return
  throw invalid(`${factory}(): createTable names '${unknown}', but the row has ${names.join(', ')}.`)
}

function undeclared(factory: string, name: string, what: string): OncesinkError {
  return invalid(
    `${factory}(): createTable does not say what '${name}' is, which ${what}: add ${name}: text(), integer(), ` +
      'decimal(scale), double(), boolean() or timestamp() to it.',
  )
}

function invalid(message: string): OncesinkError {
  return new OncesinkError('CONFIGURATION_INVALID', message)
}
