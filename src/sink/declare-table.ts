import type { ColumnDeclaration, TableDeclaration } from '../database/table-declaration.ts'
import { invariant, OncesinkError } from '../errors.ts'
import type { Field, FieldKind } from '../fields/field.ts'
import type { AggregatePlan, PipelinePlan, Terminal } from '../pipeline/plan.ts'
import type { AppendPlan, MergePlan, MetaField, UpsertPlan } from './sink-plan.ts'

/*
 * The table that a sink with `createTable` declares. What the job knows by itself need not be said: aggregates that
 * count and add have one type, and so have a record's coordinates. Everything else is declared.
 */

/**
 * Null where the sink declares no table.
 * @throws OncesinkError CONFIGURATION_INVALID for a column that nobody has given a type, or two that have one name
 */
export function declaredTable({ sink, terminal, root }: PipelinePlan): TableDeclaration | null {
  if (!('createTable' in sink) || sink.createTable === null) return null
  const { createTable, table } = sink
  switch (sink.kind) {
    case 'merge':
      invariant(terminal.kind === 'aggregate', 'merge takes groups')
      refuseUnknown('merge', createTable, [...terminal.keys, ...terminal.aggregates])
      return declaration('merge', table, ...mergeColumnsOf(sink, terminal, createTable))
    case 'upsert':
      return declaration('upsert', table, ...upsertColumns(sink, createTable))
    case 'append':
      return declaration('append', table, [], appendColumns(sink, createTable, root.keyDecoder === null))
  }
}

/** @throws OncesinkError CONFIGURATION_INVALID for two columns of one name */
function declaration(
  factory: string,
  table: string,
  keys: readonly ColumnDeclaration[],
  others: readonly ColumnDeclaration[],
): TableDeclaration {
  const [columns, primaryKey] = [[...keys, ...others], keys.map(({ name }) => name)]
  const names = columns.map(({ name }) => name)
  const shared = names.find((name, i) => names.indexOf(name) !== i)
  if (shared === undefined) return { table, columns, primaryKey }
  throw invalid(`${factory}(): createTable declares two columns '${shared}' of ${table}: rename one of them.`)
}

type Declared = Readonly<Record<string, Field<unknown>>>

function mergeColumnsOf(
  sink: MergePlan,
  terminal: Extract<Terminal, { kind: 'aggregate' }>,
  declared: Declared,
): [keys: ColumnDeclaration[], others: ColumnDeclaration[]] {
  const columnOf = (name: string) => sink.columns[name] ?? name
  const aggregates = terminal.aggregates.map((aggregate) =>
    aggregateColumn(columnOf(aggregate.name), aggregate, declared[aggregate.name]),
  )
  return [keyColumns('merge', terminal.keys, columnOf, declared), aggregates]
}

/** What a row's other fields are is only known from what is declared. */
function upsertColumns(
  sink: UpsertPlan,
  declared: Declared,
): [keys: ColumnDeclaration[], others: ColumnDeclaration[]] {
  const columnOf = (name: string) => sink.columns[name] ?? name
  const others = Object.entries(declared)
    .filter(([name]) => !sink.keys.some((key) => key.name === name))
    .map(([name, field]) => fromField(columnOf(name), field, field.optional))
  return [keyColumns('upsert', sink.keys, columnOf, declared), others]
}

function keyColumns(
  factory: string,
  keys: readonly { readonly name: string }[],
  columnOf: (name: string) => string,
  declared: Declared,
): ColumnDeclaration[] {
  return keys.map(({ name }) => {
    const field = declared[name]
    if (!field) throw undeclared(factory, name, 'is a key')
    const where = `${factory}(): createTable.${name} is`
    if (field.optional) throw invalid(`${where} optional(), but a key is never null.`)
    if (field.kind === 'document' || field.kind === 'binary') {
      throw invalid(`${where} ${field.kind}(), which is no type of a key: keys are compared.`)
    }
    return fromField(columnOf(name), field, false)
  })
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

/** What a decoded key is, the job's key decoder says, whose type is not known here. */
const metaKinds: Readonly<Record<Exclude<MetaField, 'key'>, FieldKind>> = {
  topic: 'text',
  partition: 'integer',
  offset: 'integer',
  timestamp: 'timestamp',
  headers: 'document',
}

/** @param rawKey whether the record's key is its bytes */
function appendColumns(sink: AppendPlan, declared: Declared, rawKey: boolean): ColumnDeclaration[] {
  const fields = Object.entries(declared).map(([name, field]) =>
    fromField(sink.columns[name] ?? name, field, field.optional),
  )
  const metas = Object.entries(sink.meta).map(([field, column]) => {
    if (field !== 'key') return ofKind(column, metaKinds[field as keyof typeof metaKinds])
    // A record may be without a key.
    if (rawKey) return { ...ofKind(column, 'binary'), nullable: true }
    throw invalid(
      `append(): createTable cannot say of what type '${column}' is, the column of the record's key: give the key as a ` +
        'field of the row, map((value, meta) => ({ ...value, key: meta.key })), or create the table yourself.',
    )
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
