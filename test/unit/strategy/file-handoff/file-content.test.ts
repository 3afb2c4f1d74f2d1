import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { PartialResult } from '../../../../src/aggregation/partial-result.ts'
import { RowTextWriter } from '../../../../src/executor/row-text-writer.ts'
import {
  decodeFile,
  describePartial,
  encodeFile,
  type FileContent,
} from '../../../../src/strategy/file-handoff/file-content.ts'
import { headerLine, OtherVersion } from '../../../../src/strategy/file-handoff/file-header.ts'
import { packLines } from '../../../../src/strategy/file-handoff/gzip-members.ts'

const topic = { topic: 'orders', partition: 2 }
const range = { ...topic, from: 10n, until: 2n ** 60n }

function content(partials: readonly PartialResult[]): FileContent {
  return {
    header: {
      ...range,
      job: 'job',
      clusterId: 'cluster',
      shape: 'shape',
      topicId: 'id',
      claimId: '00000000-0000-4000-8000-000000000000',
      epoch: 2n ** 62n,
      incarnation: 3,
      leaderEpoch: -1,
      batchId: '11111111-0000-4000-8000-000000000000',
      records: 5,
      lastOffset: 2n ** 55n,
      deadLetters: 1,
      digest: 2n ** 64n - 1n,
      pipelines: partials.map((partial) => ({ sink: 'merge', table: 't', ...describePartial(partial) })),
    },
    deadLetters: [
      {
        ...topic,
        offset: 11n,
        timestampMs: 1,
        key: null,
        value: { bytes: new Uint8Array([0, 255]), length: 2 },
        headers: [['h', null]],
        truncated: false,
        cause: { code: 'JOB_FUNCTION_FAILED', stage: 'map', message: 'no', stack: null },
      },
    ],
    partials,
  }
}

const one: PartialResult[] = [
  {
    kind: 'groups',
    groups: new Map([['a', { keys: ['a', 5n, new Date(5), true], states: [1n, '0.10', -0, null] }]]),
  },
  { kind: 'reduced', value: { seen: new Set([1n]), last: undefined } },
  { kind: 'rows', rows: [{ a: 1 }, 'text'], metas: null },
  {
    kind: 'rows',
    rows: [{ a: { json: '{"a":1}' } }],
    metas: [{ ...topic, offset: 11n, timestampMs: 5, key: new Uint8Array([1]), headers: { json: '{}' } }],
  },
  {
    kind: 'latest',
    names: ['k'],
    latest: new Map([
      ['x', { keys: ['x'], row: { k: 'x', at: new Date(0), bytes: Buffer.from('b') }, ...topic }],
      ['y', { keys: ['y'], row: null, ...topic }],
    ]),
  },
]

test('a file gives back its header, dead letters and partial results of every kind', async () => {
  expect(await decodeFile(await encodeFile(content(one)))).toStrictEqual(content(one))
})

test('rows that are text come back as the values that they stand for', async () => {
  const writer = new RowTextWriter([
    { kind: 'text', isOffset: false },
    { kind: 'number', isOffset: true },
    { kind: 'moment', isOffset: false },
  ])
  writer.beginRow(0)
  writer.value('a\tb')
  writer.value(12)
  writer.value(new Date(5))
  writer.endRow()
  const partial: PartialResult = {
    kind: 'row text',
    fields: ['name'],
    metas: ['offset', 'timestamp'],
    text: writer.finish(),
  }
  const { partials } = await decodeFile(await encodeFile(content([partial])))
  const metas = [{ ...topic, offset: 12n, timestampMs: 5 }]
  expect(partials).toStrictEqual([{ kind: 'rows', rows: [{ name: 'a\tb' }], metas }])
})

test('any rows, over several blocks, come back in their order', async () => {
  const rows = fc.array(
    fc.record({
      text: fc.string({ unit: 'binary', maxLength: 20 }).map((text) => text.repeat(1_000)),
      n: fc.double(),
    }),
  )
  await fc.assert(
    fc.asyncProperty(rows, async (given) => {
      const file = content([{ kind: 'rows', rows: given, metas: null }])
      expect((await decodeFile(await encodeFile(file))).partials).toStrictEqual(file.partials)
    }),
    { numRuns: 3 },
  )
}, 30_000)

test('gunzip shows it as lines of JSON', async () => {
  const lines = gunzipSync(await encodeFile(content(one)))
    .toString()
    .trimEnd()
    .split('\n')
  const [header, ...rest] = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(header).toMatchObject({
    format: 'oncesink-handoff',
    version: 1,
    from: '10',
    epoch: String(2n ** 62n),
  })
  expect(rest).toHaveLength(1 + 7 + 1)
  expect(Object.keys(rest.at(-1) ?? {})).toEqual(['sha256'])
})

test('a change of any one bit in any byte, and being cut off anywhere, is noticed', async () => {
  const bytes = await encodeFile(content([{ kind: 'rows', rows: [1], metas: null }]))
  expect(bytes.length).toBeLessThan(1_500)
  for (let i = 0; i < bytes.length; i++) {
    for (const bit of [0, 3, 7]) {
      const damaged = Buffer.from(bytes)
      damaged[i] = (damaged[i] ?? 0) ^ (1 << bit)
      await expect(decodeFile(damaged), `byte ${i}, bit ${bit}`).rejects.toThrow(
        'its digest is not that of its bytes',
      )
    }
    await expect(decodeFile(bytes.subarray(0, i)), `cut at ${i}`).rejects.toThrow('was cut off')
  }
  await expect(decodeFile(Buffer.concat([bytes, Buffer.from([0])]))).rejects.toThrow('damaged')
}, 30_000)

test('a file whose lines are not as many as its header says is refused', async () => {
  const header = headerLine({ ...content([{ kind: 'rows', rows: [1], metas: null }]).header, deadLetters: 0 })
  await expect(decodeFile(await packLines([header]))).rejects.toThrow('fewer lines')
  await expect(decodeFile(await packLines([header, '[1]', '[2]']))).rejects.toThrow('more lines')
})

test('a file of a version without digests has none', async () => {
  const header = headerLine({ ...content([]).header, deadLetters: 0 })
  expect((await decodeFile(await packLines([header]))).header.digest).toBe(2n ** 64n - 1n)
  const older = header.replace(/,"digest":"f+"/, '')
  expect(older).not.toContain('digest')
  expect((await decodeFile(await packLines([older]))).header.digest).toBeNull()
})

test('a file of another version, or of something else, is refused', async () => {
  const other = headerLine(content([]).header).replace('"version":1', '"version":2')
  await expect(decodeFile(await packLines([other]))).rejects.toThrow(OtherVersion)
  await expect(decodeFile(await packLines(['{"a":1}']))).rejects.toThrow('no oncesink-handoff header')
})
