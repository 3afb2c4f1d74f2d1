import type { ColumnClass, CureWords } from '../database/column-class.ts'
import type { ColumnDescription, TableDescription } from '../database/dialect.ts'
import type { AggregatePlan, KeyPlan, PipelinePlan, Terminal } from '../pipeline/plan.ts'
import type { AppendPlan, MergePlan, MetaField, SinkPlan, UpsertPlan } from './sink-plan.ts'

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
  if (!('table' in sink)) return []
  if (!table) {
    return [`table ${sink.table} does not exist, or this role cannot see it: create it, or correct the name`]
  }
  const name = table.qualifiedName
  const problems = [...kindProblems(table), ...privilegeProblems(table, sink)]
  const facts = new TableFacts(table)
  if (sink.kind === 'append') problems.push(...appendProblems(sink, facts))
  else if (sink.kind === 'upsert') problems.push(...upsertProblems(sink, facts))
  else if (terminal.kind === 'aggregate') problems.push(...mergeProblems(terminal, sink, facts))
  return problems.map((problem) => `table ${name}: ${problem}`)
}

function kindProblems({ kind, words }: TableDescription): string[] {
  return kind === 'table'
    ? []
    : [
        `it is no plain table (${kind}), so its rows may not commit together with the offsets: ${words.plainTable(kind)}`,
      ]
}

function privilegeProblems({ missingPrivileges }: TableDescription, sink: SinkPlan): string[] {
  const needed = sink.kind === 'append' ? ['INSERT'] : ['SELECT', 'INSERT', 'UPDATE']
  if (sink.kind === 'upsert' && sink.tombstones === 'delete') needed.push('DELETE')
  const missing = needed.filter((privilege) => missingPrivileges.includes(privilege)).join(', ')
  return missing === '' ? [] : [`this role lacks ${missing} on it: GRANT ${missing}`]
}

/** Columns of a row's fields are only known where the sink names them. */
function upsertProblems(sink: UpsertPlan, facts: TableFacts): string[] {
  const columnOf = ({ name }: { readonly name: string }) => sink.columns[name] ?? name
  const keys = sink.keys.map(columnOf)
  const problems = [...new Set([...keys, ...Object.values(sink.columns)])].flatMap((c) => facts.writable(c))
  for (const key of sink.keys) {
    problems.push(...facts.about(columnOf(key), (c) => keyProblems({}, c, facts.words)))
  }
  return [...problems, ...facts.uniqueKeyProblems(keys)]
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
  for (const key of terminal.keys)
    problems.push(...facts.about(columnOf(key), (c) => keyProblems(key, c, facts.words)))
  for (const plan of terminal.aggregates) {
    problems.push(...facts.about(columnOf(plan), (c) => aggregateProblems(plan, c, facts.words)))
  }
  return [...problems, ...facts.uniqueKeyProblems(keys), ...facts.neverWritten(written)]
}

/** Why a class is no type of a key, with its cure. */
const keyClasses: Readonly<
  Partial<Record<ColumnClass, (words: CureWords, column: ColumnDescription) => string>>
> = {
  'padded text': (words, column) =>
    `ignores trailing spaces, so two keys can be one row: use ${words.exactText(column)}`,
  'folded text': (words, column) =>
    'takes different texts for the same (such as upper and lower case, or with and without spaces at the end), so two ' +
    `keys can be one row: use ${words.exactText(column)}`,
  'narrow text': (words, column) => `cannot hold every character: use ${words.exactText(column)}`,
  single: (words) => `rounds: use ${either(words.double, words.exactDecimal, words.integer)}`,
  'local time': (words) => `does not say which moment it means: use ${words.instant}`,
  bytes: (words, column) => `is no type of a key: use ${words.exactText(column)}`,
  document: (words, column) => `is no type of a key: use ${words.exactText(column)}`,
}

function keyProblems(
  key: Pick<KeyPlan, 'windowMs' | 'everyMs'>,
  column: ColumnDescription,
  words: CureWords,
): string[] {
  const is = `key column '${column.name}' is ${column.type}, which`
  const problems: string[] = []
  if (column.nullable) {
    problems.push(
      `key column '${column.name}' may be NULL, and NULLs never match: ${words.notNull}, or make it part of the ` +
        'primary key',
    )
  }
  if (key.windowMs !== undefined) {
    if (column.class !== 'instant')
      problems.push(`${is} cannot hold the start of a window: use ${words.instant}`)
    else if ((key.everyMs ?? key.windowMs) % Math.max(1, column.stepMs) !== 0)
      problems.push(`${is} rounds the window: ${words.finerInstant}`)
    return problems
  }
  const why = keyClasses[column.class]
  if (why !== undefined) problems.push(`${is} ${why(words, column)}`)
  if (column.class === 'decimal' && column.rounds) {
    problems.push(
      `${is} rounds, so two keys can be one row: use ${either(words.exactDecimal, words.integer)}`,
    )
  }
  if (column.class === 'instant' && column.stepMs > 1) problems.push(`${is} rounds: ${words.finerInstant}`)
  return problems
}

function aggregateProblems(
  { name, fn }: AggregatePlan,
  column: ColumnDescription,
  words: CureWords,
): string[] {
  const is = `column '${column.name}' of ${fn.kind} '${name}' is ${column.type}, which`
  const roundsInstants = column.class === 'instant' && column.stepMs > 1
  switch (fn.kind) {
    case 'count':
    case 'sum':
    case 'countValues':
      if (column.class === 'integer' || (column.class === 'decimal' && (column.scale ?? 0) >= 0)) return []
      return [`${is} does not hold every integer exactly: use ${words.integer}`]
    case 'sumDecimal':
      if (column.class !== 'decimal') return [`${is} is not an exact decimal: use ${words.decimal(fn.scale)}`]
      if (column.scale === null || column.scale >= (fn.scale ?? 0)) return []
      return [
        `${is} keeps fewer digits after the point than the scale ${fn.scale}: use ${words.decimal(fn.scale)}`,
      ]
    case 'sumDouble':
      if (column.class === 'double') return []
      return [`${is} does not hold a double as it is: use ${words.double}`]
    case 'min':
    case 'max':
      if (roundsInstants) return [`${is} rounds: ${words.finerInstant}`]
      if (['integer', 'decimal', 'double', 'instant'].includes(column.class)) return []
      return [
        `${is} cannot hold a ${fn.kind} exactly: use ` +
          either(words.integer, words.anyDecimal, words.double, words.instant),
      ]
    case 'maxBy':
    case 'minBy':
      if (roundsInstants) return [`${is} rounds: ${words.finerInstant}`]
      if (orderedClasses.includes(column.class)) return []
      return [
        `${is} may order values in another way than the job: use ${either(
          words.exactText(column),
          ...[words.integer, words.anyDecimal, words.double, words.boolean, words.instant],
        )}`,
      ]
    case 'maxBy.by':
    case 'minBy.by':
      if (column.class === 'integer' || (column.class === 'decimal' && !column.rounds)) return []
      if (column.class === 'instant' && !roundsInstants) return []
      return [
        `${is} may take two values for one: use ${either(words.integer, words.exactDecimal, words.instant)}`,
      ]
    default:
      return []
  }
}

/** `a, b or c`, without what there is not. */
function either(...choices: readonly (string | null)[]): string {
  const all = choices.filter((choice) => choice !== null)
  const last = all.at(-1) ?? ''
  return all.length > 1 ? `${all.slice(0, -1).join(', ')} or ${last}` : last
}

const orderedClasses: readonly ColumnClass[] = [
  ...(['text', 'binary text', 'integer', 'decimal', 'double', 'boolean', 'instant'] as const),
]

/** Rows of append are only kept: texts that the table takes for equal are still two rows. */
const keptTexts: readonly ColumnClass[] = ['text', 'binary text', 'folded text', 'narrow text']

interface MetaFit {
  /** Null where it depends on the key. */
  readonly fit: readonly ColumnClass[] | null
  readonly use: (words: CureWords, column: ColumnDescription) => string
}
const metaClasses: Readonly<Record<MetaField, MetaFit>> = {
  topic: { fit: keptTexts, use: (words, column) => words.exactText(column) },
  partition: { fit: ['integer', 'decimal'], use: (words) => words.smallInteger },
  offset: { fit: ['integer', 'decimal'], use: (words) => words.integer },
  timestamp: { fit: ['instant'], use: (words) => words.instant },
  key: { fit: null, use: () => 'the type of the key' },
  headers: { fit: ['document'], use: () => 'a type for JSON' },
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
        return !fit || fit.includes(found.class) ? [] : [`${is}: use ${use(facts.words, found)}`]
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

  get words(): CureWords {
    return this.#table.words
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
    const problems = this.#table.alsoMatching
      .filter(({ columns }) => !fits(columns))
      .map(
        ({ name, columns }) =>
          `unique index '${name}' on (${columns.join(', ')}) also decides which row a new one is added to, so that ` +
          'rows of other keys can become one: drop it, or make it an index that is not unique',
      )
    if (this.#table.uniqueKeys.some(fits)) return problems
    const list = keys.join(', ')
    return [
      ...problems,
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
