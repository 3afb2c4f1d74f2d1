import { describe, expect, test } from 'vitest'
import { asBytes, jsonOf, recordSource } from '../../../src/chaos/records.ts'
import {
  binary,
  boolean,
  decimal,
  document,
  double,
  integer,
  text,
  timestamp,
} from '../../../src/fields/builders.ts'
import { fields, json, optional } from '../../../src/index.ts'
import type { Job } from '../../../src/job/job.ts'
import { SeededRandom } from '../../../src/runtime/seeded-random.ts'

const declared = {
  name: text({ maxLength: 2 }),
  city: text({ path: 'address.city' }),
  count: integer(),
  price: decimal(2, { precision: 5 }),
  ratio: double(),
  paid: boolean(),
  at: timestamp(),
  raw: binary(),
  tags: document(),
  note: optional(text()),
}
const job = (decoder: unknown) => ({ name: 'j', root: { decoder } }) as unknown as Job

describe('records that are made from the fields of a job', () => {
  test('are such that the job decodes every one of them', () => {
    const decoder = fields(declared)
    const random = new SeededRandom(1)
    const source = recordSource(job(decoder), {}, 'job.chaos.ts')
    let missing = 0
    for (let n = 0; n < 500; n++) {
      const bytes = Buffer.from(asBytes(source.record(n, random).value) ?? '')
      const decoded = decoder.decode(bytes, 0, bytes.length, {} as never)
      if (decoded.note === null) missing += 1
    }
    // Optional ones are missing now and then.
    expect(missing).toBeGreaterThan(10)
    expect(missing).toBeLessThan(200)
  })

  test('are the same for the same seed', () => {
    const made = (seed: number) => JSON.stringify(jsonOf(declared, 3, new SeededRandom(seed)))
    expect(made(5)).toBe(made(5))
    expect(made(5)).not.toBe(made(6))
  })

  test('cannot be made for a decoder that does not tell its fields: the error says what to write where', () => {
    expect(() => recordSource(job(json()), {}, 'my/job.chaos.ts')).toThrow(
      /needs records.*'json' does not tell.*\n?.*Write my\/job\.chaos\.ts:\n {2}export default \{/s,
    )
  })

  test('come from the spec where it makes them', () => {
    const source = recordSource(job(json()), { records: (n) => ({ value: n }) }, '')
    expect(source.record(7, new SeededRandom(1))).toEqual({ value: 7 })
  })
})

test('values are sent as they are: bytes, text, null; anything else as its JSON', () => {
  expect(asBytes(Buffer.from('a'))).toEqual(Buffer.from('a'))
  expect([asBytes('b'), asBytes(null), asBytes(undefined), asBytes({ c: 1 }), asBytes(0)]).toEqual([
    'b',
    null,
    null,
    '{"c":1}',
    '0',
  ])
})
