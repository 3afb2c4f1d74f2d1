import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type ErrorCode, OncesinkError } from '../../../../src/errors.ts'
import type { PartitionResult } from '../../../../src/executor/executor.ts'
import { RowTextWriter } from '../../../../src/executor/row-text-writer.ts'
import { decodeColumn, encodeColumn } from '../../../../src/executor/threads/columns.ts'
import { decodeError, encodeError } from '../../../../src/executor/threads/encode-error.ts'
import { decodeResult, encodeResult } from '../../../../src/executor/threads/encode-result.ts'
import { rowTextValues } from '../../../../src/model/row-text.ts'
import { PositionLost } from '../../../../src/source/position-lost.ts'

/** What arrives in the other thread. */
function sent<T>(value: T, transfers: ArrayBuffer[]): T {
  return structuredClone(value, { transfer: transfers })
}

const scalar = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.double(),
  fc.bigInt(),
  fc.boolean(),
  fc.constantFrom(null, undefined, -0, '__proto__'),
  fc.date({ noInvalidDate: false }),
  fc.uint8Array({ maxLength: 9 }),
  fc.uint8Array({ maxLength: 9 }).map((bytes) => Buffer.from(bytes)),
)
const value = fc.letrec((tie) => ({
  any: fc.oneof({ maxDepth: 3 }, scalar, tie('array'), tie('map'), tie('set'), tie('object')),
  array: fc.array(tie('any'), { maxLength: 4 }),
  map: fc.array(fc.tuple(scalar, tie('any')), { maxLength: 3 }).map((entries) => new Map(entries)),
  set: fc.array(scalar, { maxLength: 3 }).map((items) => new Set(items)),
  object: fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('__proto__', 'a')), tie('any'), {
    maxKeys: 4,
    noNullPrototype: true,
  }),
})).any

test('columns of one kind and of many arrive as they were', () => {
  const uniform = fc.oneof(
    ...[fc.double(), fc.bigInt(), fc.date({ noInvalidDate: false }), scalar, value].map((v) => fc.array(v)),
  )
  fc.assert(
    fc.property(uniform, (values) => {
      const transfers: ArrayBuffer[] = []
      expect(decodeColumn(sent(encodeColumn(values, 'x', transfers), transfers))).toStrictEqual(values)
    }),
  )
})

test('rows and accumulators of any plain values arrive as they were, Buffers as Buffers', () => {
  const rows = fc.oneof(
    fc.array(fc.record({ a: value, b: scalar, ['__proto__']: scalar }, { noNullPrototype: true })),
    fc.array(value),
  )
  fc.assert(
    fc.property(rows, value, (all, accumulator) => {
      const result: PartitionResult = {
        range: { topic: 't', partition: 1, from: 2n, until: 3n },
        records: 1,
        deadLetters: [],
        digest: 2n ** 64n - 1n,
        lastOffset: 2n,
        bytes: 9,
        leaderEpoch: 0,
        computeMs: 1,
        partials: [
          { kind: 'rows', rows: [...all], metas: null },
          { kind: 'reduced', value: accumulator },
        ],
      }
      const transfers: ArrayBuffer[] = []
      expect(decodeResult(sent(encodeResult(result, transfers), transfers))).toStrictEqual(result)
    }),
  )
})

test('rows that are text are moved, and arrive as they were', () => {
  const writer = new RowTextWriter([{ kind: 'text', isOffset: false }])
  for (let i = 0; i < 3; i++) {
    writer.beginRow(0)
    writer.value('x'.repeat(200_000))
    writer.endRow()
  }
  const text = writer.finish()
  expect(text.pieces.length).toBeGreaterThan(1)
  const result: PartitionResult = {
    range: { topic: 't', partition: 1, from: 2n, until: 5n },
    records: 3,
    deadLetters: [],
    digest: null,
    lastOffset: 4n,
    bytes: 9,
    leaderEpoch: 0,
    computeMs: 1,
    partials: [{ kind: 'row text', fields: ['a'], metas: [], text }],
  }
  const transfers: ArrayBuffer[] = []
  const [partial] = decodeResult(sent(encodeResult(result, transfers), transfers)).partials
  if (partial?.kind !== 'row text') throw new Error('no text')
  expect(rowTextValues(partial.text)).toEqual(Array.from({ length: 3 }, () => ['x'.repeat(200_000)]))
  expect(text.pieces.every(({ byteLength }) => byteLength === 0)).toBe(true)
})

test('bytes that are a part of something large leave the rest behind', () => {
  const response = Buffer.alloc(1_000_000, 7)
  const transfers: ArrayBuffer[] = []
  const encoded = encodeColumn([null, response.subarray(5, 9)], 'x', transfers)
  expect(transfers.map(({ byteLength }) => byteLength)).toEqual([4])
  expect(decodeColumn(sent(encoded, transfers))).toEqual([null, Buffer.alloc(4, 7)])
  expect(response).toHaveLength(1_000_000)
})

test.each<[unknown, RegExp]>([
  [() => 1, /^x\[0\] is a function/],
  [Symbol('s'), /^x\[0\] is a symbol/],
  [Promise.resolve(), /^x\[0\] is a Promise/],
  [new URL('file:///a'), /^x\[0\] is an instance of URL/],
  [{ a: [new Error('e')] }, /^x\[0\]\.a\[0\] is an instance of Error/],
  [new Map([['k', new WeakMap()]]), /^an entry of x\[0\] is an instance of WeakMap/],
])('%s is refused by name', (wrong, message) => {
  expect(() => encodeColumn([wrong], 'x', [])).toThrow(message)
})

test('what is nested in itself is refused', () => {
  const nested: unknown[] = []
  nested.push(nested)
  expect(() => encodeColumn([nested], 'x', [])).toThrow(/nested deeper than 100 levels, or in itself/)
})

test('an error keeps class, code, coordinates, cause and stack', () => {
  const cause = new TypeError('no such field', { cause: 'because' })
  const record = { topic: 't', partition: 3, offset: 2n ** 60n }
  const error = new OncesinkError('JOB_FUNCTION_FAILED', 'failed', { cause, record, ofBatch: true })
  const arrived = decodeError(sent(encodeError(error), []))
  expect(arrived).toBeInstanceOf(OncesinkError)
  expect(arrived).toMatchObject({
    code: 'JOB_FUNCTION_FAILED' satisfies ErrorCode,
    disposition: 'stop',
    exitCode: 1,
    message: 'failed',
    record,
    ofBatch: true,
    stack: error.stack,
    cause: {
      name: 'TypeError',
      message: 'no such field',
      stack: cause.stack,
      cause: { message: 'it threw the string "because"' },
    },
  })
})

test('a lost position keeps what is known of the loss', () => {
  const loss = { cause: 'retention', resumeAt: 7n, topicId: 'id' } as const
  const arrived = decodeError(
    sent(
      encodeError(new PositionLost('OFFSET_OUT_OF_RANGE', 'gone', { topic: 't', partition: 1 }, loss)),
      [],
    ),
  )
  expect(arrived).toBeInstanceOf(PositionLost)
  expect(arrived).toMatchObject({
    code: 'OFFSET_OUT_OF_RANGE',
    partition: { topic: 't', partition: 1 },
    loss,
  })
})

test('what is no error of ours stays a defect', () => {
  const arrived = decodeError(sent(encodeError(new RangeError('out')), []))
  expect(arrived).not.toBeInstanceOf(OncesinkError)
  expect(arrived).toMatchObject({ name: 'RangeError', message: 'out' })
  expect(decodeError(encodeError(undefined)).message).toBe('it threw undefined')
})
