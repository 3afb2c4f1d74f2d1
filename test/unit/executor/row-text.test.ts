import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { PartialResult } from '../../../src/aggregation/partial-result.ts'
import { plainRows } from '../../../src/aggregation/plain-rows.ts'
import { isCopyText } from '../../../src/database/postgres/append-text.ts'
import { columnHolds } from '../../../src/database/postgres/column-class.ts'
import { copyText } from '../../../src/database/postgres/copy-text.ts'
import { fields } from '../../../src/decode/fields.ts'
import { json } from '../../../src/decode/json.ts'
import { isMomentText } from '../../../src/executor/moment-bytes.ts'
import { compilePartitionTask } from '../../../src/executor/partition-task.ts'
import { rowTextPlanOf } from '../../../src/executor/row-text-plan.ts'
import { RowTextWriter } from '../../../src/executor/row-text-writer.ts'
import {
  binary,
  boolean,
  decimal,
  document,
  double,
  integer,
  optional,
  text,
  timestamp,
} from '../../../src/fields/builders.ts'
import { joinRowTexts, type RowText, rowTextValues, splitFirstRow } from '../../../src/model/row-text.ts'
import { from } from '../../../src/pipeline/from.ts'
import type { Pipeline } from '../../../src/pipeline/pipeline.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { append } from '../../../src/sink/append.ts'
import { appendTextWrite, appendWrites } from '../../../src/sink/append-writes.ts'
import type { AppendPlan } from '../../../src/sink/sink-plan.ts'
import type { PlainRecord } from '../../../src/source/record-segment.ts'
import { rangeOf } from './ranges.ts'

/*
 * Rows written from bytes against rows made of decoded values, which is what they mean: byte for byte what COPY would
 * be sent for the values.
 */

const source = { kind: 'test', startFrom: 'earliest' } as const
const never = new AbortController().signal
const meta = { partition: 'part', offset: 'log_offset', topic: 'topic', timestamp: 'at_log' } as const

const pipeline = from(source)
  .decode(
    fields({
      name: text(),
      note: optional(text({ maxLength: 12 })),
      amount: optional(decimal(4, { precision: 14 })),
      pieces: optional(integer()),
      weight: optional(double()),
      gift: optional(boolean()),
      at: optional(timestamp()),
    }),
  )
  .into(append({ table: 't', columns: { name: 'label' }, meta }))
const columns = ['label', 'note', 'amount', 'pieces', 'weight', 'gift', 'at', ...Object.values(meta)]
const types = [
  'text',
  'text',
  'numeric',
  'bigint',
  'double precision',
  'boolean',
  'timestamp with time zone',
  'integer',
  'bigint',
  'text',
  'timestamp with time zone',
]
const holds = types.map((type) => columnHolds(type, null))

const taskOf = ({ plan }: Pipeline, way: 'fast' | 'plain') =>
  compilePartitionTask(plan.root, [plan], systemClock, { way })

async function partialOf(
  of: Pipeline,
  way: 'fast' | 'plain',
  records: readonly PlainRecord[],
): Promise<PartialResult | string> {
  try {
    const { partials } = await taskOf(of, way).run(rangeOf(records), never)
    return partials[0] as PartialResult
  } catch (error) {
    return (error as Error).message
  }
}

const recordsOf = (values: readonly (string | Uint8Array | null)[]): PlainRecord[] =>
  values.map((value, i) => ({ offset: 2 ** 40 + i * 3, value, timestampMs: 1_767_268_800_000 + i }))

/** What the general way hands to the database. */
function generalWrite(partial: Extract<PartialResult, { kind: 'rows' }>, of: Pipeline) {
  const [write] = appendWrites(of.plan.sink as AppendPlan, partial)
  return write ?? { table: 't', columns, rows: [] }
}

const bytesOf = (rows: RowText) => Buffer.concat(rows.pieces).toString()

async function expectSame(values: readonly (string | Uint8Array | null)[]): Promise<void> {
  const records = recordsOf(values)
  const [fast, plain] = [
    await partialOf(pipeline, 'fast', records),
    await partialOf(pipeline, 'plain', records),
  ]
  if (typeof plain === 'string' || typeof fast === 'string') {
    expect(fast).toBe(plain)
    return
  }
  if (fast.kind !== 'row text' || plain.kind !== 'rows') throw new Error('not what was asked for')
  const write = generalWrite(plain, pipeline)
  expect(fast.text.rows).toBe(plain.rows.length)
  const textWrite = appendTextWrite(pipeline.plan.sink as AppendPlan, fast)
  expect(textWrite.columns).toEqual(columns)
  // As values it is what the general way has, whatever it holds.
  expect(rowTextValues(fast.text)).toEqual(withoutNegativeZero(write.rows))
  expect(plainRows(fast).rows).toEqual(withoutNegativeZero(plain.rows as never))
  // As text it is what COPY would be sent.
  if (isCopyText(fast.text, holds)) {
    expect(bytesOf(fast.text)).toBe([...copyText(write, holds, 2 ** 20)].join(''))
  }
}

/** `String` and every database write it as 0. */
function withoutNegativeZero<T>(value: T): T {
  if (Object.is(value, -0)) return 0 as T
  if (Array.isArray(value)) return value.map(withoutNegativeZero) as T
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, withoutNegativeZero(v)])) as T
}

const texts = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
  fc.string({ maxLength: 14 }),
  fc.constantFrom(
    '',
    '\\N',
    '\\.',
    '\\',
    'a\tb',
    'a\nb',
    'a\r\nb',
    '\0',
    'x\0y',
    '\u007f',
    '\ufeffBOM',
    '😀',
    'é'.repeat(12),
    '\u2028',
  ),
  fc.integer({ min: 0, max: 3 }).map((n) => 'long '.repeat(4 ** n * 30)),
)
/** JSON of a string, with characters escaped that need not be. */
const jsonTexts = fc.tuple(texts, fc.boolean()).map(([value, escapes]) => {
  const written = JSON.stringify(value)
  return escapes
    ? written.replace(/[a-zé]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
    : written
})
const numbers = fc.oneof(
  fc.integer().map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc
    .tuple(fc.integer({ min: -99_999, max: 99_999 }), fc.stringMatching(/^[0-9]{1,6}$/))
    .map(([whole, fraction]) => `${whole}.${fraction}`),
  fc.constantFrom(
    '0',
    '-0',
    '0.0',
    '-0.00',
    '1.0',
    '1.50',
    '100',
    '0.0000001',
    '0.000001',
    '1e3',
    '1E-7',
    '9007199254740993',
    '999999999999999',
    '1000000000000000',
    '123456789012345678',
    '9999999999.9999',
    '10000000000',
    '1e400',
    '01',
    '1.',
    '"19.75"',
    '"1.50"',
  ),
)
const moments = fc.oneof(
  fc
    .date({ min: new Date('-000010-01-01'), max: new Date('+012000-01-01'), noInvalidDate: true })
    .map((date) => JSON.stringify(date)),
  fc.constantFrom(
    '"2026-01-31T12:00:00Z"',
    '"2026-02-30T12:00:00.000Z"',
    '"2024-02-29T23:59:59.999Z"',
    '"2023-02-29T00:00:00.000Z"',
    '"1900-02-29T00:00:00.000Z"',
    '"0000-01-01T00:00:00.000Z"',
    '"2026-01-31T24:00:00.000Z"',
    '"2026-01-31T12:60:00.000Z"',
    '"2026-01-31T12:00:60.000Z"',
    '"2026-01-31t12:00:00.000Z"',
    '"2026-01-31T12:00:00,000Z"',
    '"2026-01-31T12:00:00.0a0Z"',
    '"2026-13-31T12:00:00.000Z"',
    '"2026-01-31T12:00:00.000+01:00"',
    '"2026-01-31"',
    '1767268800000',
    '-62167219200001',
  ),
)
const rarely = <T>(common: fc.Arbitrary<T>, odd: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 12, arbitrary: common }, { weight: 1, arbitrary: odd })
const odd = fc.constantFrom('null', 'true', '{}', '[1]', '"x"', '7', 'nul', '')
const json_ = fc
  .record(
    {
      name: rarely(jsonTexts, odd),
      note: rarely(jsonTexts, odd),
      amount: rarely(numbers, odd),
      pieces: rarely(
        fc.integer().map((n) => String(n)),
        odd,
      ),
      weight: rarely(numbers, odd),
      gift: rarely(fc.constantFrom('true', 'false'), odd),
      at: rarely(moments, odd),
    },
    { requiredKeys: ['name'] },
  )
  .map((record) => `{${Object.entries(record).map(([name, value]) => `"${name}":${value}`)}}`)

describe('rows from bytes', () => {
  test('are what COPY is sent for the values, and fail with the same words, for whatever JSON there is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(json_, { maxLength: 3 }), (values) => expectSame(values)),
      { numRuns: 3_000 },
    )
  }, 60_000)

  test('one field at a time', async () => {
    const fieldsOf: readonly [string, fc.Arbitrary<string>][] = [
      ['note', jsonTexts],
      ['amount', numbers],
      ['pieces', numbers],
      ['weight', numbers],
      ['at', moments],
    ]
    for (const [name, values] of fieldsOf) {
      await fc.assert(
        fc.asyncProperty(values, (value) => expectSame([`{"name":"n","${name}":${value}}`])),
        { numRuns: 600 },
      )
    }
  }, 60_000)

  test('of values that are no JSON, or none at all', async () => {
    for (const value of [null, '', '7', '{', '{"name":"a"}x', Buffer.from([123, 34, 255, 34, 58, 49, 125])]) {
      await expectSame(['{"name":"a"}', value])
    }
  })

  test('many, over several pieces, with texts that are longer than a piece', async () => {
    const values = Array.from({ length: 1_500 }, (_, i) => {
      const name = i % 500 === 499 ? 'é\\n"'.repeat(80_000) : `n${i}`
      return JSON.stringify({ name, amount: i / 100, at: new Date(i * 86_400_000) })
    })
    await expectSame(values)
    const partial = await partialOf(pipeline, 'fast', recordsOf(values))
    if (typeof partial === 'string' || partial.kind !== 'row text') throw new Error('no text')
    const { pieces } = partial.text
    expect(pieces.length).toBeGreaterThan(3)
    for (const piece of pieces) {
      expect(piece.at(-1)).toBe(10)
      // Moved to another thread, a piece must not take others with it.
      expect(pieces.filter(({ buffer }) => buffer === piece.buffer)).toHaveLength(1)
    }
  })

  test('a long text after one that has to be escaped has its room', async () => {
    const two = from(source)
      .decode(fields({ a: text(), b: text() }))
      .into(append({ table: 't' }))
    const [a, b] = [`\t${'a'.repeat(140_000)}`, 'b'.repeat(400_000)]
    const partial = await partialOf(two, 'fast', recordsOf([JSON.stringify({ a, b }), '{"a":"x","b":"y"}']))
    if (typeof partial === 'string' || partial.kind !== 'row text') throw new Error('no text')
    expect(rowTextValues(partial.text).flat()).toStrictEqual([a, b, 'x', 'y'])
  })

  test('joined are one text, of which the columns know the most of each', () => {
    const one = (value: string, amount: number) => {
      const writer = new RowTextWriter([
        { kind: 'text', isOffset: false },
        { kind: 'number', isOffset: false },
      ])
      writer.beginRow(0)
      writer.value(value)
      writer.value(amount)
      writer.endRow()
      return writer.finish()
    }
    const joined = joinRowTexts([one('longer', 1.25), one('x\0', 1), one('y', 1e21)])
    expect(rowTextValues(joined)).toEqual([
      ['longer', 1.25],
      ['x\0', 1],
      ['y', 1e21],
    ])
    expect(joined.columns).toMatchObject([
      { longest: 6, unusual: true },
      { scale: 2, unusual: true },
    ])
    expect(one('x', 1).columns).toMatchObject([{ unusual: false }, { unusual: false }])
  })

  test('can be split after the first, wherever a piece ends', () => {
    for (const lengths of [[1, 1, 1], [3, 300_000, 1], [300_000, 2], [1]]) {
      const writer = new RowTextWriter([{ kind: 'text', isOffset: false }])
      const rows = lengths.map((length) => ['\n\\x'.repeat(length)])
      for (const [value] of rows) {
        writer.beginRow(0)
        writer.value(value as string)
        writer.endRow()
      }
      const [first, rest] = splitFirstRow(writer.finish())
      expect([first.rows, rest.rows]).toEqual([1, rows.length - 1])
      expect([...rowTextValues(first), ...rowTextValues(rest)]).toEqual(rows)
      expect(rowTextValues(first)).toEqual(rows.slice(0, 1))
    }
  })

  test('a row that was not ended is not there', () => {
    const writer = new RowTextWriter([{ kind: 'text', isOffset: false }])
    for (const [value, ended] of [
      ['a', true],
      ['b', false],
      ['c', true],
      ['d', false],
    ] as const) {
      writer.beginRow(8)
      writer.value(value)
      if (ended) writer.endRow()
    }
    expect(rowTextValues(writer.finish())).toEqual([['a'], ['c']])
  })

  test('a moment is one whose Date writes the same', () => {
    const written = fc.tuple(
      fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }),
      fc.nat(23),
      fc.constantFrom(...'0123456789:-TZ. '),
    )
    fc.assert(
      fc.property(written, ([date, at, character]) => {
        const iso = date.toISOString()
        for (const candidate of [iso, iso.slice(0, at) + character + iso.slice(at + 1)]) {
          const parsed = new Date(candidate)
          const same = !Number.isNaN(parsed.getTime()) && parsed.toISOString() === candidate
          const expected = same && !candidate.startsWith('0000')
          expect([candidate, isMomentText(Buffer.from(candidate), 0, 24)]).toEqual([candidate, expected])
        }
      }),
      { numRuns: 2_000 },
    )
  })

  test('a moment is on a day that there is', () => {
    const isMoment = (day: string) => isMomentText(Buffer.from(`${day}T12:00:00.000Z`), 0, 24)
    expect(['2024-02-29', '2000-02-29', '2023-04-30', '2023-12-31'].filter((day) => !isMoment(day))).toEqual(
      [],
    )
    const never = [
      '2023-02-29',
      '2024-02-30',
      '1900-02-29',
      '2023-04-31',
      '2023-12-32',
      '2023-01-00',
      '2023-13-01',
    ]
    expect(never.filter(isMoment)).toEqual([])
  })
})

describe('the plan', () => {
  const plan = ({ plan: of }: Pipeline) => rowTextPlanOf(of.root, [of])
  const read = from(source).decode(fields({ a: text(), b: integer() }))
  const sink = append({ table: 't' })

  test('is there for append alone, of fields that are found in bytes and have a text', () => {
    expect(plan(read.into(sink))).not.toBe(null)
    expect(plan(read.into(append({ table: 't', meta })))?.metas).toEqual(Object.keys(meta))
    expect(plan(read.filter(() => true).into(sink))).toBe(null)
    expect(plan(read.into(append({ table: 't', meta: { key: 'k' } })))).toBe(null)
    expect(plan(read.into(append({ table: 't', meta: { headers: 'h' } })))).toBe(null)
    expect(plan(from(source).decode(json<{ a: string }>()).into(sink))).toBe(null)
    for (const field of [binary(), document()]) {
      expect(
        plan(
          from(source)
            .decode(fields({ a: text(), field }))
            .into(append({ table: 't' }) as never),
        ),
      ).toBe(null)
    }
  })

  test('whoever checks reads every record the general way', async () => {
    const partial = await partialOf(pipeline, 'plain', recordsOf(['{"name":"a"}']))
    expect(partial).toMatchObject({ kind: 'rows' })
  })
})

describe('COPY takes the text as it is', () => {
  const text_ = (column: Partial<RowText['columns'][number]>): RowText => ({
    columns: [
      { kind: 'text', isOffset: false, hasNull: false, longest: 0, scale: 0, unusual: false, ...column },
    ],
    rows: 1,
    pieces: [],
  })
  const takes = (
    column: Partial<RowText['columns'][number]>,
    type: string,
    scale: number | null = null,
    maxLength: number | null = null,
    folds = false,
  ) => isCopyText(text_(column), [columnHolds(type, scale, maxLength, folds)])

  test('only where the column takes every value of it unchanged', () => {
    expect(takes({ longest: 9 }, 'text')).toBe(true)
    expect(takes({ longest: 9 }, 'character varying(9)', null, 9)).toBe(true)
    expect(takes({ longest: 10 }, 'character varying(9)', null, 9)).toBe(false)
    expect(takes({ unusual: true }, 'text')).toBe(false)
    for (const type of [
      'character(3)',
      'citext',
      'uuid',
      'jsonb',
      'integer',
      'numeric',
      'bytea',
      'date',
      'inet',
    ])
      expect([type, takes({}, type)]).toEqual([type, false])
    expect(takes({ kind: 'number' }, 'bigint')).toBe(true)
    expect(takes({ kind: 'number', scale: 1 }, 'bigint')).toBe(false)
    expect(takes({ kind: 'number', scale: 2 }, 'numeric(12,2)', 2)).toBe(true)
    expect(takes({ kind: 'number', scale: 3 }, 'numeric(12,2)', 2)).toBe(false)
    expect(takes({ kind: 'number', scale: 0 }, 'numeric(3,-2)', -2)).toBe(false)
    expect(takes({ kind: 'number', scale: 9 }, 'numeric')).toBe(true)
    expect(takes({ kind: 'number', scale: 9 }, 'double precision')).toBe(true)
    expect(takes({ kind: 'number', unusual: true }, 'double precision')).toBe(false)
    for (const type of ['real', 'text', 'boolean', 'date'])
      expect(takes({ kind: 'number' }, type)).toBe(false)
    expect(takes({ kind: 'boolean' }, 'boolean')).toBe(true)
    expect(takes({ kind: 'boolean' }, 'integer')).toBe(false)
    expect(takes({ kind: 'moment' }, 'timestamp with time zone')).toBe(true)
    expect(takes({ kind: 'moment' }, 'timestamp(3) without time zone')).toBe(true)
    expect(takes({ kind: 'moment' }, 'timestamp(2) with time zone')).toBe(false)
    for (const type of ['date', 'text']) expect(takes({ kind: 'moment' }, type)).toBe(false)
  })
})
