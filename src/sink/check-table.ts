import type { ColumnDescription, TableDescription } from '../database/dialect.ts'
import type { AggregatePlan, KeyPlan, PipelinePlan, Terminal } from '../pipeline/plan.ts'
import { columnType, type TypeClass } from './column-types.ts'
import type { AppendPlan, MergePlan, MetaField } from './sink-plan.ts'

/*
 * Whether a table can hold what a sink will write, exactly as written. A type that rounds, cuts, pads or folds values
 * is refused here: in SQL it would do so without an error, and differently for every way to cut a log into batches.
 */

/**
 * Problems of a pipeline's table, each with its cure; empty when the table is fit or the sink declares none.
 * @param table null when it does not exist
 */
export function checkSinkTable(pipeline: PipelinePlan, table: TableDescription | null): string[] {
  const { sink, terminal } = pipeline
  if (sink.kind !== 'merge' && sink.kind !== 'append') return []
  if (!table) {
    return [`table ${sink.table} does not exist, or this role cannot see it: create it, or correct the name`]
  }
  const name = table.qualifiedName
  const problems = [...kindProblems(table), ...privilegeProblems(table, sink.kind)]
  const facts = new TableFacts(table)
  if (sink.kind === 'append') problems.push(...appendProblems(sink, facts))
  else if (terminal.kind === 'aggregate') problems.push(...mergeProblems(terminal, sink, facts))
  return problems.map((problem) => `table ${name}: ${problem}`)
}

function kindProblems({ kind }: TableDescription): string[] {
  return kind === 'table'
    ? []
    : [`it is no plain table (${kind}), so its rows may not commit together with the offsets: use a table`]
}

function privilegeProblems({ missingPrivileges }: TableDescription, sink: 'merge' | 'append'): string[] {
  const needed = sink === 'append' ? ['INSERT'] : ['SELECT', 'INSERT', 'UPDATE']
  const missing = needed.filter((privilege) => missingPrivileges.includes(privilege)).join(', ')
  return missing === '' ? [] : [`this role lacks ${missing} on it: GRANT ${missing}`]
}

function mergeProblems(
  terminal: Extract<Terminal, { kind: 'aggregate' }>,
  sink: MergePlan,
  facts: TableFacts,
): string[] {
  const columnOf = ({ name }: { readonly name: string }) => sink.columns[name] ?? name
  const keys = terminal.keys.map(columnOf)
  const written = [...keys, ...terminal.aggregates.map(columnOf)]
  const problems = written.flatMap((column) => facts.writable(column))
  for (const key of terminal.keys) problems.push(...facts.about(columnOf(key), (c) => keyProblems(key, c)))
  for (const plan of terminal.aggregates) {
    problems.push(...facts.about(columnOf(plan), (c) => aggregateProblems(plan, c)))
  }
  return [...problems, ...facts.uniqueKeyProblems(keys), ...facts.neverWritten(written)]
}

const keyClasses: Readonly<Partial<Record<TypeClass, string>>> = {
  'padded text': 'ignores trailing spaces, so two keys can be one row: use text or varchar',
  'folded text': 'takes upper and lower case for the same, so two keys can be one row: use text',
  single: 'rounds: use double precision, numeric without a scale, or bigint',
  'local time': 'does not say which moment it means: use timestamp with time zone',
  bytes: 'is no type of a key: use text',
  document: 'is no type of a key: use text',
}

function keyProblems(key: KeyPlan, column: ColumnDescription): string[] {
  const type = columnType(column)
  const is = `key column '${column.name}' is ${column.type}, which`
  const problems: string[] = []
  if (column.nullable) {
    problems.push(
      `key column '${column.name}' may be NULL, and NULLs never match: ALTER COLUMN ... SET NOT NULL, or make it ` +
        'part of the primary key',
    )
  }
  if (key.windowMs !== undefined) {
    if (type.class !== 'instant')
      problems.push(`${is} cannot hold the start of a window: use timestamp with time zone`)
    else if ((key.everyMs ?? key.windowMs) % Math.max(1, type.stepMs) !== 0)
      problems.push(`${is} rounds the window: leave the precision out`)
    return problems
  }
  const why = keyClasses[type.class]
  if (why !== undefined) problems.push(`${is} ${why}`)
  if (type.class === 'decimal' && type.scale !== null) {
    problems.push(`${is} rounds, so two keys can be one row: use numeric without a scale, or bigint`)
  }
  if (type.class === 'instant' && type.stepMs > 1) problems.push(`${is} rounds: leave the precision out`)
  return problems
}

function aggregateProblems({ name, fn }: AggregatePlan, column: ColumnDescription): string[] {
  const type = columnType(column)
  const is = `column '${column.name}' of ${fn.kind} '${name}' is ${column.type}, which`
  switch (fn.kind) {
    case 'count':
    case 'sum':
    case 'countValues':
      if (type.class === 'integer' || (type.class === 'decimal' && (type.scale ?? 0) >= 0)) return []
      return [`${is} does not hold every integer exactly: use bigint`]
    case 'sumDecimal':
      if (type.class !== 'decimal') return [`${is} is not an exact decimal: use numeric(..., ${fn.scale})`]
      if (type.scale === null || type.scale >= (fn.scale ?? 0)) return []
      return [
        `${is} keeps fewer digits after the point than the scale ${fn.scale}: use numeric(..., ${fn.scale})`,
      ]
    case 'sumDouble':
      if (type.class === 'double') return []
      return [`${is} does not hold a double as it is: use double precision`]
    case 'min':
    case 'max':
      if (type.class === 'instant' && type.stepMs > 1) return [`${is} rounds: leave the precision out`]
      if (['integer', 'decimal', 'double', 'instant'].includes(type.class)) return []
      return [
        `${is} cannot hold a ${fn.kind} exactly: use bigint, numeric, double precision or timestamp with time zone`,
      ]
    case 'maxBy':
    case 'minBy':
      if (type.class === 'instant' && type.stepMs > 1) return [`${is} rounds: leave the precision out`]
      if (orderedClasses.includes(type.class)) return []
      return [
        `${is} may order values in another way than the job: use text, bigint, numeric, double precision, boolean or ` +
          'timestamp with time zone',
      ]
    case 'maxBy.by':
    case 'minBy.by':
      if (type.class === 'integer' || (type.class === 'decimal' && type.scale === null)) return []
      if (type.class === 'instant' && type.stepMs <= 1) return []
      return [
        `${is} may take two values for one: use bigint, numeric without a scale, or timestamp with time zone`,
      ]
    default:
      return []
  }
}

const orderedClasses: readonly TypeClass[] = ['text', 'integer', 'decimal', 'double', 'boolean', 'instant']

const metaClasses: Readonly<Record<MetaField, { readonly fit: readonly TypeClass[]; readonly use: string }>> =
  {
    topic: { fit: ['text'], use: 'text' },
    partition: { fit: ['integer', 'decimal'], use: 'integer' },
    offset: { fit: ['integer', 'decimal'], use: 'bigint' },
    timestamp: { fit: ['instant'], use: 'timestamp with time zone' },
  }

/** Columns of a row's fields are only known where the sink names them. */
function appendProblems(sink: AppendPlan, facts: TableFacts): string[] {
  const named = [...Object.values(sink.columns), ...Object.values(sink.meta)]
  const problems = named.flatMap((column) => facts.writable(column))
  for (const [field, column] of Object.entries(sink.meta)) {
    const { fit, use } = metaClasses[field as MetaField]
    problems.push(
      ...facts.about(column, (found) => {
        const is = `column '${column}' of the record's ${field} is ${found.type}`
        return fit.includes(columnType(found).class) ? [] : [`${is}: use ${use}`]
      }),
    )
  }
  return problems
}

/** Questions about one table's columns and keys. */
class TableFacts {
  readonly #table: TableDescription
  readonly #columns: ReadonlyMap<string, ColumnDescription>

  constructor(table: TableDescription) {
    this.#table = table
    this.#columns = new Map(table.columns.map((column) => [column.name, column]))
  }

  /** Nothing where the column is missing: {@link writable} says so. */
  about(column: string, problems: (found: ColumnDescription) => string[]): string[] {
    const found = this.#columns.get(column)
    return found ? problems(found) : []
  }

  writable(column: string): string[] {
    const found = this.#columns.get(column)
    if (!found) {
      const has = [...this.#columns.keys()].join(', ')
      return [`it has no column '${column}' (it has ${has}): add it, or rename the field with columns`]
    }
    return found.generated ? [`column '${column}' is generated by the server: write to another one`] : []
  }

  uniqueKeyProblems(keys: readonly string[]): string[] {
    const fits = (unique: readonly string[]) =>
      unique.length === keys.length && keys.every((key) => unique.includes(key))
    if (this.#table.uniqueKeys.some(fits)) return []
    const list = keys.join(', ')
    return [
      `no primary key or unique index is exactly on (${list}): ALTER TABLE ... ADD PRIMARY KEY (${list})`,
    ]
  }

  /** Columns that would refuse every new row. */
  neverWritten(written: readonly string[]): string[] {
    return this.#table.columns
      .filter(
        ({ name, nullable, hasDefault, generated }) =>
          !(nullable || hasDefault || generated || written.includes(name)),
      )
      .map(
        ({ name }) =>
          `column '${name}' is NOT NULL without a default, but the job does not write it: give it a default`,
      )
  }
}
