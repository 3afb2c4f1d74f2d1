import { readFileSync } from 'node:fs'
import { Command, type Option } from 'commander'
import { afterAll, describe, expect, test, vi } from 'vitest'
import type { StartOptions, SumDecimalOptions } from '../../../src/index.ts'
import * as api from '../../../src/index.ts'

/*
 * docs/options.md against the code. What options there are is never written down here: the code is asked, by giving it one
 * that there cannot be, and it lists the ones there are; or, where only the compiler refuses options, the compiler is.
 */

const { OncesinkError } = api
const page = readFileSync(new URL('../../../docs/options.md', import.meta.url), 'utf8')

interface Row {
  readonly option: string
  readonly cells: readonly string[]
}

/** Rows of the table under each heading of the third level; an empty array where there is no table. */
const tables = new Map<string, readonly Row[]>(
  page
    .split(/^#{2,3} /m)
    .slice(1)
    .map((section) => {
      const [heading = '', ...lines] = section.split('\n')
      const rows = lines.filter((line) => line.startsWith('|')).slice(2)
      return [heading.replaceAll('`', ''), rows.map(rowOf)]
    }),
)

function rowOf(line: string): Row {
  const cells = line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim())
  return { option: (cells[0] ?? '').replaceAll('`', ''), cells }
}

function rowsOf(heading: string): readonly Row[] {
  const rows = tables.get(heading)
  if (rows) return rows
  throw new Error(`docs/options.md has no section '${heading}'`)
}

function cellsOf(heading: string, option: string): { unit: string; byDefault: string; whenWrong: string } {
  const [, , unit = '', byDefault = '', whenWrong = ''] =
    rowsOf(heading).find((row) => row.option === option)?.cells ?? []
  return { unit, byDefault, whenWrong }
}

type Options = Readonly<Record<string, unknown>>
type Factory = (options: Options) => unknown

const stranger = 'thereIsNoSuchOption'

function errorOf(call: () => unknown): api.OncesinkError | null {
  try {
    call()
    return null
  } catch (error) {
    if (error instanceof OncesinkError) return error
    throw error
  }
}

/** Names of the options that `factory` lists when it refuses one that there is not, in `group` or at the top. */
function listed(factory: Factory, good: Options, group?: string): string[] {
  const wrong = group === undefined ? { ...good, [stranger]: 1 } : set(good, `${group}.${stranger}`, 1)
  const message = errorOf(() => factory(wrong))?.message ?? ''
  const list =
    /(?:the options are|known are|there are|its options are|its option is|its fields are) ([\w., ]+\w)/.exec(
      message,
    )?.[1]
  if (!message.includes(stranger) || list === undefined)
    throw new Error(`does not list its options: '${message}'`)
  const names = list.split(', ')
  if (group === undefined) return names
  return names.map((name) => (name.startsWith(`${group}.`) ? name : `${group}.${name}`))
}

/** A copy of `options` in which the option `path` (`fetch.minBytes`) is `value`. */
function set(options: Options, path: string, value: unknown): Options {
  const [first = '', ...rest] = path.split('.')
  if (rest.length === 0) return { ...options, [first]: value }
  return { ...options, [first]: set((options[first] ?? {}) as Options, rest.join('.'), value) }
}

function get(options: unknown, path: string): unknown {
  return path.split('.').reduce((value: unknown, name) => (value as Options | undefined)?.[name], options)
}

const source = api.kafka({ brokers: ['localhost:9092'], topics: ['t'] })
const stream = api.from(source).decode(api.json<{ a: number }>())
const login = { mechanism: 'plain', username: 'u', password: 'p' }
const fieldOptions = { path: 'a' }
const scaled = { scale: 2 } satisfies SumDecimalOptions
const { text, integer, double, boolean, timestamp, binary, document } = api
const builders = { text, integer, double, boolean, timestamp, binary, document }
const decimalSums = { sumDecimal: api.sumDecimal, avg: api.avg }

const as = (factory: (options: never) => unknown): Factory => factory as Factory
/** What the compiler knows: it refuses a name too many, and one too few. */
const compiled = <T>(names: Record<keyof T, true>): string[] => Object.keys(names)

interface Section {
  readonly heading: string
  readonly known: readonly string[]
  /** Where the code checks options when they are given: the factory, and options that it takes. */
  readonly checked?: { readonly factory: Factory; readonly good: Options }
  /** What the factory has made of options that were left out, by the options' names. */
  readonly defaults?: unknown
}

/** A factory whose options are all in its list, but `groups`, of which it lists what is in them. */
function section(
  heading: string,
  factory: Factory,
  good: Options,
  {
    groups = [],
    kept = [],
    defaults,
  }: { groups?: readonly string[]; kept?: readonly string[]; defaults?: unknown } = {},
): Section {
  const top = listed(factory, good).filter((name) => !groups.includes(name) || kept.includes(name))
  const known = [...top, ...groups.flatMap((group) => listed(factory, good, group))]
  return { heading, known, checked: { factory, good }, defaults }
}

/** What a strategy has been given is seen in what it makes. */
function repartitionDefaults() {
  const strategy = api.repartitionToOne().create({} as api.StrategyParts)
  if (strategy.unit !== 'stream') throw new Error('it takes a stream')
  const { maxRecords, maxBytes, ...rest } = strategy.chunks
  return { chunkRecords: maxRecords, chunkBytes: maxBytes, ...rest }
}

function sections(): Section[] {
  const job = {
    name: 'orders',
    database: api.postgres({ connectionString: 'postgres://localhost/db' }),
    pipeline: stream.into(api.append({ table: 't' })),
  }
  const kafka = { brokers: ['localhost:9092'], topics: ['t'], sasl: login }
  const postgres = { host: 'localhost' }
  const mysql = { database: 'db', host: 'localhost', ssl: {} }
  const mysqlPlan = api.mysql({ database: 'db' })
  const decode = as((options: never) => api.from(source).decode(api.json(), options))
  const text = as(api.text)
  const decimal = as((options: never) => api.decimal(2, options))
  const upsert = { table: 't', key: 'a' }
  return [
    section('defineJob', as(api.defineJob), job, {
      groups: ['trigger', 'limits', 'rate', 'ledger'],
      defaults: {
        ...api.defineJob(job),
        poison: 'fail',
        executor: 'inline',
        strategy: null,
      },
    }),
    section(
      'workerThreads',
      as(api.workerThreads),
      { count: 2 },
      { defaults: api.workerThreads({ count: 2 }) },
    ),
    section(
      'fileHandoff',
      as(api.fileHandoff),
      { directory: '/d' },
      { defaults: { ...api.fileHandoff({ directory: '/d' }), directory: undefined } },
    ),
    section('repartitionToOne', as(api.repartitionToOne), {}, { defaults: repartitionDefaults() }),
    section(
      'perPartition',
      as(api.perPartition),
      {},
      { defaults: { connections: api.perPartition().connections } },
    ),
    section('deadLetter', as(api.deadLetter), {}, { defaults: api.deadLetter() }),
    {
      heading: 'start',
      known: compiled<StartOptions>({
        signal: true,
        once: true,
        acceptShapeChange: true,
        events: true,
        runtime: true,
      }),
    },
    section('kafka', as(api.kafka), kafka, {
      groups: ['fetch', 'sasl'],
      kept: ['sasl'],
      defaults: source,
    }),
    section('postgres', as(api.postgres), postgres, { defaults: api.postgres(postgres) }),
    section('mysql', as(api.mysql), mysql, {
      groups: ['ssl'],
      kept: ['ssl'],
      defaults: {
        ...mysqlPlan.target,
        database: undefined,
        statementTimeoutMs: mysqlPlan.statementTimeoutMs,
        lockTimeoutMs: mysqlPlan.lockTimeoutSeconds * 1_000,
        idleInTransactionTimeoutMs: mysqlPlan.idleInTransactionTimeoutSeconds * 1_000,
        connectTimeoutMs: mysqlPlan.connectTimeoutMs,
      },
    }),
    section('decode', decode, {}),
    section('json', as(api.json), {}),
    {
      heading: 'Fields',
      known: [
        'path',
        ...Object.entries({ ...builders, decimal: (options: never) => api.decimal(2, options) }).flatMap(
          ([name, builder]) =>
            listed(as(builder), fieldOptions)
              .filter((option) => option !== 'path')
              .map((option) => `${name}.${option}`),
        ),
        'decimal.scale',
      ],
      checked: {
        factory: (options) => {
          if ('path' in options) text({ path: options.path })
          if ('text' in options) text(options.text as Options)
          const { scale = 2, ...others } = (options.decimal ?? {}) as Options
          return scale === 2 ? decimal(others) : api.decimal(scale as number)
        },
        good: {},
      },
    },
    {
      heading: 'hopping',
      known: listed(
        as((options: never) => api.hopping(options, () => 0)),
        { size: '1 hour', every: '5 minutes' },
      ),
      checked: {
        factory: as((options: never) => api.hopping(options, () => 0)),
        good: { size: '1 hour', every: '5 minutes' },
      },
    },
    ...Object.entries(decimalSums).map(([heading, sum]) => ({
      heading,
      known: listed(
        as((options: never) => sum(() => 0, options)),
        scaled,
      ),
      checked: { factory: as((options: never) => sum(() => 0, options)), good: scaled },
    })),
    {
      heading: 'maxBy',
      known: listed(
        as((options: never) => api.maxBy(() => 0, options)),
        {},
      ),
      checked: { factory: as((options: never) => api.maxBy(() => 0, options)), good: {} },
    },
    {
      heading: 'reduce',
      known: listed(
        as((options: never) => stream.reduce(options)),
        {},
      ),
      checked: {
        factory: as((options: never) => stream.reduce(options)),
        good: { zero: () => 0, add: () => 0, merge: () => 0 },
      },
    },
    section('merge', as(api.merge), { table: 't' }),
    section('append', as(api.append), { table: 't' }, { groups: ['meta'] }),
    section('upsert', as(api.upsert), upsert, {
      defaults: api.upsert<{ a: number }, unknown>({ table: 't', key: 'a' }).plan,
    }),
  ]
}

const inGroups = new Intl.NumberFormat('en-US')

const all = sections()

test.each(all)(
  '$heading has a row for every option that the code knows, and no other',
  ({ heading, known }) => {
    const documented = rowsOf(heading).map(({ option }) => option)
    expect([...documented].sort()).toEqual([...known].sort())
  },
)

test.each(all.flatMap(({ checked, ...others }) => (checked ? { ...others, ...checked } : [])))(
  '$heading has the ranges and the code of the error that the code gives',
  ({ heading, known, defaults, factory, good }) => {
    for (const option of known) {
      const error = errorOf(() => factory(set(good, option, -1)))
      const { unit, whenWrong } = cellsOf(heading, option)
      // -1 is true enough for Node, and the host of these options is a name.
      const isRefused = error?.code === 'CONFIGURATION_INVALID' || option === 'ssl.verifyIdentity'
      expect(whenWrong.startsWith('`CONFIGURATION_INVALID`'), `${option}: ${error?.message}`).toBe(isRefused)
      const [, lowest, highest] = / from (\d+) to (\d+)/.exec(error?.message ?? '') ?? []
      if (typeof get(defaults, option) === 'number')
        expect(lowest, `${option}: a number has a range`).toBeDefined()
      if (lowest === undefined) continue
      // The least precision is the scale, if that is more than 1.
      const from = option === 'decimal.precision' ? 1 : Number(lowest)
      const range = `${inGroups.format(from)} to ${inGroups.format(Number(highest))}`
      expect(unit, `${option}: ${error?.message}`).toMatch(new RegExp(`(^|\\s)${range}(?![\\d,]\\d)`))
    }
  },
)

test.each(all.filter(({ defaults }) => defaults !== undefined))(
  '$heading has the defaults that the code takes',
  ({ heading, known, defaults }) => {
    for (const option of known) {
      const { byDefault } = cellsOf(heading, option)
      const value = get(defaults, option)
      if (byDefault.startsWith('required')) continue
      if (typeof value === 'number')
        expect(byDefault, option).toMatch(new RegExp(`(^|\\s)${inGroups.format(value)}(?![\\d,]\\d)`))
      if (typeof value === 'boolean') expect(byDefault, option).toBe(`\`${value}\``)
      if (typeof value === 'string') expect(byDefault, option).toContain(`\`'${value}'\``)
    }
  },
)

describe('the page', () => {
  test('has no empty cell, and five of them in every row', () => {
    const rows = [...tables.values()].flat()
    expect(rows.length).toBeGreaterThan(100)
    for (const { option, cells } of rows) {
      expect(cells, option).toHaveLength(5)
      expect(
        cells.filter((cell) => cell === ''),
        option,
      ).toEqual([])
    }
  })

  test('names every function of the API', () => {
    const functions = Object.entries(api).filter(([, value]) => typeof value === 'function')
    const missing = functions.filter(([name]) => !new RegExp(`\`[^\`\n]*\\b${name}\\b[^\`\n]*\``).test(page))
    expect(missing.map(([name]) => name)).toEqual([])
  })

  test('has a table for nothing that is not compared with the code', async () => {
    const compared = [...all.map(({ heading }) => heading), ...(await commandLine()).keys()]
    const withRows = [...tables].filter(([, rows]) => rows.length > 0).map(([heading]) => heading)
    expect(withRows.filter((heading) => !compared.includes(heading))).toEqual([])
  })
})

/** The program that `oncesink` runs, which is caught before it reads its arguments. */
async function program(): Promise<Command> {
  let caught: Command | undefined
  const parse = vi.spyOn(Command.prototype, 'parseAsync').mockImplementation(function (this: Command) {
    caught = this
    return Promise.resolve(this)
  })
  vi.resetModules()
  await import('../../../src/cli/main.ts')
  parse.mockRestore()
  if (caught) return caught
  throw new Error('main.ts has not parsed its arguments')
}

interface Flags {
  readonly flags: readonly Option[]
  /** Arguments beside the job. */
  readonly others: readonly string[]
}

/** By heading. */
async function commandLine(): Promise<Map<string, Flags>> {
  const root = await program()
  const found = new Map<string, Flags>([
    ['oncesink', { flags: root.createHelp().visibleOptions(root), others: [] }],
  ])
  const visit = (command: Command, path: string): void => {
    for (const child of command.commands) {
      const name = `${path} ${child.name()}`
      const others = child.registeredArguments.map((argument) => `<${argument.name()}>`)
      if (child.commands.length === 0)
        found.set(name, { flags: child.options, others: others.filter((other) => other !== '<job>') })
      visit(child, name)
    }
  }
  visit(root, 'oncesink')
  return found
}

describe('the command line', async () => {
  const commands = await commandLine()
  afterAll(() => vi.restoreAllMocks())

  test('has commands', () => {
    expect(commands.size).toBeGreaterThan(5)
  })

  test.each([...commands])('%s has a row for every flag, and no other', (heading, { flags, others }) => {
    const documented = rowsOf(heading).map(({ option }) => option)
    expect([...documented].sort()).toEqual([...flags.map(({ long }) => long), ...others].sort())
  })

  test.each([...commands])('%s has the values and defaults of its flags', (heading, { flags }) => {
    for (const { long, argChoices, defaultValue } of flags) {
      const { unit, byDefault } = cellsOf(heading, long ?? '')
      if (argChoices) expect(unit, long).toBe(argChoices.map((choice) => `\`${choice}\``).join(', '))
      if (typeof defaultValue === 'string') expect(byDefault, long).toBe(`\`${defaultValue}\``)
    }
  })
})
