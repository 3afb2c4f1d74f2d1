import { count } from '../../src/aggregation/count.ts'
import { plainRows } from '../../src/aggregation/plain-rows.ts'
import { sum } from '../../src/aggregation/sum.ts'
import { sumDecimal } from '../../src/aggregation/sum-decimal.ts'
import { fields } from '../../src/decode/fields.ts'
import { json } from '../../src/decode/json.ts'
import { nullable } from '../../src/decode/nullable.ts'
import { columnPlanOf } from '../../src/executor/column-plan.ts'
import { runWithDeadLetters } from '../../src/executor/dead-letters.ts'
import { compilePartitionTask } from '../../src/executor/partition-task.ts'
import { boolean, decimal, integer, optional, text } from '../../src/fields/builders.ts'
import { from } from '../../src/pipeline/from.ts'
import type { Pipeline } from '../../src/pipeline/pipeline.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { SeededRandom } from '../../src/runtime/seeded-random.ts'
import { append } from '../../src/sink/append.ts'
import { merge } from '../../src/sink/merge.ts'
import { type PlainRecord, type RecordSegment, segmentFromRecords } from '../../src/source/record-segment.ts'
import type { FetchedRange } from '../../src/source/source.ts'
import { accepted, bytesOf, either, notUtf8, refused } from './json-cases.ts'

/*
 * Whole partition tasks with their short cuts from bytes to results, against the same tasks without them: of random
 * bytes, of JSON that was broken at random places, and of whole JSON, in random ranges.
 */

const source = { kind: 'test', startFrom: 'earliest' } as const
const into = merge({ table: 't' })
const never = new AbortController().signal

interface Row {
  readonly k?: unknown
  readonly n?: number
}

const declared = {
  k: text({ maxLength: 8 }),
  n: integer(),
  d: decimal(2, { precision: 9 }),
  deep: optional(decimal(4, { path: 'o.d' })),
  flag: optional(boolean({ path: ['o', 'flag'] })),
  fine: optional(decimal(20)),
}

/** Pipelines, by what they are about. Each has a short cut. */
const pipelines: readonly Pipeline[] = [
  from(source)
    .decode(fields(declared))
    .groupBy({ k: (o) => o.k })
    .aggregate({
      records: count(),
      n: sum((o) => o.n),
      d: sumDecimal((o) => o.d, { scale: 2 }),
      d4: sumDecimal((o) => o.d, { scale: 4 }),
    })
    .into(into),
  from(source)
    .decode(fields({ n: integer(), flag: boolean({ path: ['o', 'flag'] }), d: decimal(1) }))
    .groupBy({ n: ({ n }) => n, flag: (o) => o.flag })
    .aggregate({ records: count(), total: sum((o) => o.n), d: sumDecimal((o) => o.d, { scale: 1 }) })
    .into(into),
  from(source)
    .decode(fields({ k: text(), d: decimal(20, { path: 'd' }) }))
    .groupBy({ k: (o) => o.k })
    .aggregate({ d: sumDecimal((o) => o.d, { scale: 3 }) })
    .into(into),
  from(source)
    .decode(json<{ k: string; n: number; d: number }>())
    .groupBy({ k: (o) => o.k })
    .aggregate({
      records: count(),
      n: sum((o) => o.n),
      d: sumDecimal((o) => o.d, { scale: 2 }),
      d24: sumDecimal((o) => o.d, { scale: 24 }),
    })
    .into(into),
  from(source)
    .decode(json<{ k: string; n: number; d: number }>())
    .groupBy({ n: (o) => o.n, k: ({ k }) => k })
    .aggregate({ records: count(), d: sumDecimal((o) => o.d, { scale: 30 }) })
    .into(into),
  from(source)
    .decode(fields(declared))
    .into(append({ table: 't' })),
  from(source)
    .decode(nullable(json<Row>()))
    .map((value, meta) => ({ value: JSON.stringify(value), offset: meta.offset }))
    .into(append({ table: 't' })),
  from(source)
    .decode(json<Row>({ numbers: 'exact' }))
    .map((value) => ({ value: JSON.stringify(value), n: value.n, own: Object.keys(value).join() }))
    .into(append({ table: 't' })),
]

const cases = [...accepted, ...refused, ...notUtf8, ...either]
  .filter(([name]) => name !== 'depth 5,000')
  .map(bytesOf)

/** What values are made of, and what separates them where they are parsed together. */
const tokens = [
  '{', '}', '[', ']', ',', ':', '"', '\\', ' ', '\n', '\t', '{}', '[]', '1,2', '],[', '},{', '{"a":1},{"b":2}', ',\n',
  '"~^|"', '"`@^"', '"%;~"', ',"~^|",', '~^|', '/*', '*/', '//', '\ufeff', '\u2028', '\ufffd', '\u0000', '\\u0061',
  '\\ud800', '"k":', '"\\u006b":', '"n":', '"d":', '"o":', '"__proto__":', 'null', 'true', '-0', '1e0', '0.005',
].map((token) => Buffer.from(token)) // biome-ignore format: a list
const raw = [[0xc3], [0xe2, 0x82], [0x82, 0xac], [0xff], [0xed, 0xa0, 0x80], [0xf0, 0x9f], [0x98, 0x80]].map(
  Buffer.from,
)

const texts = [
  '"a"',
  '"ab"',
  '"a\\u0062"',
  '"\\u0061b"',
  '""',
  '"é"',
  '"e\u0301"',
  '"😀"',
  '"\\ud83d\\ude00"',
  '"\\ud800"',
]
const odd = ['null', 'true', '{}', '[]', '"1"', '1']
const keys = [...texts, '"a\\nb"', '"123456789"', '"𝒳𝒳𝒳𝒳𝒳𝒳𝒳𝒳"']
const integers = [
  '0', '-0', '1', '1.0', '1e0', '10e-1', '-7', '999999999999999', '1000000000000000', '-999999999999999',
  '9007199254740991', '9007199254740992', '9007199254740993', '-9007199254740991', '1.5', '"1"', '1e400',
] // biome-ignore format: a list
const decimals = [
  '0', '-0.00', '19.75', '19.750', '0.1', '0.5', '1e-1', '-3.3', '9999999.99', '99999999.99', '-9999999.99', '9999999',
  '0.001', '"2.50"', '9999999999999.99', '99999999999999.9', '12345678901234.5', '123456789012345.6', '0.1000', '1e15',
] // biome-ignore format: a list
const spaces = ['', '', '', ' ', '\n', '\t \r']

export interface FuzzOutcome {
  /** Records that a short cut was asked for. */
  readonly records: number
  /** Records that failed. */
  readonly failed: number
}

class Generator {
  readonly #random: SeededRandom
  /** Whether records are written alike, as those of one producer are: then they are found many at once. */
  readonly #alike: boolean

  constructor(seed: number) {
    this.#random = new SeededRandom(seed)
    this.#alike = this.chance(0.5)
  }

  below(bound: number): number {
    return this.#random.integer(0, bound - 1)
  }

  chance(share: number): boolean {
    return this.#random.fraction() < share
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }

  /** A record that may be whole. */
  order(): string {
    const space = () => (this.#alike ? '' : this.of(spaces))
    const member = (name: string, value: string) => `${space()}${name}${space()}:${space()}${value}${space()}`
    const value = (good: readonly string[], share = 0.05) => this.of(this.chance(share) ? odd : good)
    const tame = this.chance(0.7)
    const members = [
      member(
        this.chance(0.02) ? '"\\u006b"' : '"k"',
        tame ? this.of(['"a"', '"ab"', '"a\\u0062"', '"b"', '"é"']) : value(keys),
      ),
      member('"n"', tame ? this.of(['0', '1', '-7', '1.0', '999999999999999']) : value(integers)),
      member('"d"', tame ? this.of(['1', '0.1', '-3.3', '5.0', '1e1']) : value(decimals)),
    ]
    if (this.#alike || this.chance(0.8))
      members.push(member('"o"', `{"flag":${value(['true', 'false'])},"d":${value(decimals)}}`))
    if (this.#alike && this.chance(0.95)) return `{${members.join(',')}}`
    if (this.chance(0.1))
      members.push(member('"fine"', value(['0.00000000000000000001', 'null', '1', '0.5'])))
    if (this.chance(0.1))
      members.push(member('"x"', value(['[1,[2]]', '{"k":"z"}', '"~^|"', '"\\u007e^|"', '[{}]'])))
    if (this.chance(0.05)) members.push(member('"__proto__"', this.of(['{"k":"p","n":1}', '1'])))
    if (this.chance(0.1)) members.push(this.of(members))
    if (this.chance(0.02)) members.splice(this.below(members.length), 1)
    if (this.chance(0.3)) members.reverse()
    return `${space()}{${members.join(',')}}${space()}`
  }

  /** A value that is whole more often than not when `calm`. */
  value(calm: boolean): Buffer | null {
    if (this.chance(calm ? 0.97 : 0.5)) return Buffer.from(calm ? this.order().trim() : this.order())
    if (this.chance(0.1)) return this.chance(0.5) ? null : Buffer.alloc(0)
    if (this.chance(0.2)) return this.of(cases)
    if (this.chance(0.2))
      return Buffer.concat([Buffer.from('{"k":"a","x":'), this.of(cases), Buffer.from('}')])
    if (this.chance(0.1)) return Buffer.from(Array.from({ length: this.below(12) }, () => this.below(256)))
    if (this.chance(0.5)) return this.mutated(Buffer.from(this.order()))
    const enclosed = this.chance(0.7)
    const middle = Array.from({ length: this.below(7) }, () => this.piece())
    return Buffer.concat(enclosed ? [Buffer.from('{'), ...middle, Buffer.from('}')] : middle)
  }

  piece(): Buffer {
    return this.chance(0.1) ? this.of(raw) : this.of(tokens)
  }

  mutated(bytes: Buffer): Buffer {
    let result = bytes
    for (let n = this.below(3); n >= 0; n--) {
      const at = this.below(result.length + 1)
      const removed = this.chance(0.5) ? this.below(4) : 0
      const put = this.chance(0.2)
        ? Buffer.of(this.below(256))
        : this.chance(0.8)
          ? this.piece()
          : Buffer.alloc(0)
      result = Buffer.concat([result.subarray(0, at), put, result.subarray(at + removed)])
    }
    return result
  }

  /** What lies between two values is a key and headers: it may look like JSON, too. */
  frame(): Pick<PlainRecord, 'key' | 'headers'> {
    const key = this.chance(0.2)
      ? null
      : Buffer.concat(Array.from({ length: this.below(9) }, () => this.piece()))
    return { key, headers: this.chance(0.2) ? [['h', this.piece()]] : [] }
  }

  segment(offset: number, length: number): RecordSegment {
    const calm = this.#alike || this.chance(0.5)
    // Values that only make sense together come in one piece.
    const cut = this.chance(0.1) ? this.mutated(Buffer.from(`{"a":[${this.order()},${this.order()}]}`)) : null
    const records = Array.from({ length }, (_, i): PlainRecord => {
      const value =
        cut === null
          ? this.value(calm)
          : cut.subarray((cut.length * i) / length, (cut.length * (i + 1)) / length)
      return { offset: offset + i, value, ...this.frame() }
    })
    return segmentFromRecords('orders', 0, records)
  }

  /** The range that begins at `offset`, of one to three segments. */
  range(offset: number): FetchedRange {
    let until = offset
    const slices = Array.from({ length: 1 + this.below(3) }, () => {
      const length = this.chance(0.05) ? 300 : 1 + this.below(12)
      const segment = this.segment(until, length)
      until += length
      const begin = this.chance(0.2) ? this.below(length) : 0
      return { segment, begin, end: length - (this.chance(0.2) ? this.below(length - begin) : 0) }
    })
    const records = slices.reduce((sum, { begin, end }) => sum + end - begin, 0)
    return {
      range: { topic: 'orders', partition: 0, from: BigInt(offset), until: BigInt(until) },
      records,
      bytes: 1,
      slices,
      leaderEpoch: 0,
    }
  }
}

/**
 * Runs the ranges that `seed` says through every pipeline, both ways.
 * @param expectSame is told what each way came to; throws where they differ
 */
export async function fuzzFastPaths(
  seed: number,
  expectSame: (fast: unknown, plain: unknown, what: string) => void,
): Promise<FuzzOutcome> {
  const generator = new Generator(seed)
  const tasks = pipelines.map(({ plan }, i) => ({
    what: `seed ${seed}, pipeline ${i}`,
    ways: (['fast', 'plain'] as const).map((way) =>
      compilePartitionTask(plan.root, [plan], systemClock, { way }),
    ),
  }))
  let [records, failed, offset] = [0, 0, 0]
  for (let n = 0; n < 4; n++) {
    const fetched = generator.range(offset)
    offset = Number(fetched.range.until)
    for (const { what, ways } of tasks) {
      records += fetched.records
      const [fast, plain] = await Promise.all(ways.map((task) => outcomeOf(() => task.run(fetched, never))))
      expectSame(fast, plain, what)
      const condemned = generator.chance(0.2)
        ? [{ topic: 'orders', partition: 0, offset: fetched.range.from, cause: condemnation }]
        : []
      const policy = {
        kind: 'deadLetter',
        maxPerBatch: generator.chance(0.1) ? 1 : 1_000,
        maxPerWindow: 9,
        windowMs: 9,
      } as const
      const [tolerantFast, tolerantPlain] = await Promise.all(
        ways.map((task) => outcomeOf(() => runWithDeadLetters(task, fetched, never, policy, condemned))),
      )
      expectSame(tolerantFast, tolerantPlain, `${what}, tolerant`)
      if ((tolerantFast as { letters?: unknown[] }).letters?.length) failed += 1
    }
  }
  return { records, failed }
}

const condemnation = {
  code: 'JOB_FUNCTION_FAILED',
  stage: 'map',
  message: 'it did not come back',
  stack: null,
} as const

async function outcomeOf(run: () => ReturnType<typeof runWithDeadLetters>): Promise<unknown> {
  try {
    const { partials, records, lastOffset, deadLetters } = await run()
    // Where an error was made is no part of what it says.
    const letters = deadLetters.map(({ cause, ...letter }) => ({
      ...letter,
      cause: { ...cause, stack: null },
    }))
    const order = partials.map((partial) => (partial.kind === 'groups' ? [...partial.groups.keys()] : []))
    // Rows that are text are compared as the values that they stand for; their text is compared with COPY's elsewhere.
    const values = partials.map((partial) => (partial.kind === 'row text' ? plainRows(partial) : partial))
    return { partials: values, order, records, lastOffset, letters }
  } catch (error) {
    const { message, code, record } = error as {
      message: string
      code: unknown
      record: { offset: unknown } | undefined
    }
    return { message, code, offset: record?.offset }
  }
}

/** Whether every pipeline of groups has its short cut: the fuzz would prove nothing without. */
export const shortCuts = pipelines.map(({ plan }) => columnPlanOf(plan.root, [plan]) !== null)
