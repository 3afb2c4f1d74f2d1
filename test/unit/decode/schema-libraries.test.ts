import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { decoderOf } from '../../../src/decode/decoder-of.ts'
import { nullable } from '../../../src/decode/nullable.ts'
import type { StandardSchema } from '../../../src/decode/standard-schema.ts'
import { decode } from './decode.ts'

interface Order {
  item: string
  amount: number
}

const schemas: Record<string, StandardSchema<Order>> = {
  zod: z.object({ item: z.string(), amount: z.number() }),
  valibot: v.object({ item: v.string(), amount: v.number() }),
  arktype: type({ item: 'string', amount: 'number', '+': 'delete' }),
}

function decoderFor<T>(schema: StandardSchema<T>) {
  const decoder = decoderOf(schema)
  if (!decoder) throw new Error('no decoder')
  return decoder
}

describe.each(Object.entries(schemas))('a schema of %s', (vendor, schema) => {
  test('gives what it accepts', () => {
    const decoder = decoderFor(schema)
    expect(decoder.name).toBe(`json, ${vendor} schema`)
    expect(decode(decoder, '{"item":"a","amount":1.5,"more":true}')).toEqual({ item: 'a', amount: 1.5 })
  })

  test('refuses with the path of what it does not accept', () => {
    expect(() => decode(decoderFor(schema), '{"item":"a","amount":"1.5"}')).toThrow(
      /^the value does not fit the schema: amount: .*number/,
    )
    expect(() => decode(decoderFor(schema), 'null')).toThrow(/^the value does not fit the schema: \S/)
    expect(() => decode(decoderFor(schema), null)).toThrow(/tombstone/)
    expect(decode(nullable(schema), null)).toBeNull()
  })

  test('does not take a field named __proto__ for a prototype', () => {
    const text = '{"__proto__":{"amount":1},"item":"a"}'
    expect(() => decode(decoderFor(schema), text)).toThrow(/amount/)
  })
})

test('schemas that transform give the job what they make', () => {
  const transforming = [
    z.object({ at: z.iso.datetime().transform((at) => new Date(at)) }),
    v.object({
      at: v.pipe(
        v.string(),
        v.isoTimestamp(),
        v.transform((at) => new Date(at)),
      ),
    }),
    type({ at: 'string.date.iso.parse' }),
  ]
  for (const schema of transforming) {
    const decoder = decoderFor<{ at: Date }>(schema)
    expect(decode(decoder, '{"at":"2026-01-31T12:00:00Z"}')).toEqual({ at: new Date('2026-01-31T12:00:00Z') })
    expect(() => decode(decoder, '{"at":"yesterday"}')).toThrow(/^the value does not fit the schema: at: /)
  }
})

test('schemas that validate asynchronously are refused', () => {
  const asynchronous = [
    z.object({ item: z.string().refine(async () => true) }),
    v.objectAsync({
      item: v.pipeAsync(
        v.string(),
        v.checkAsync(async () => true),
      ),
    }),
  ]
  for (const schema of asynchronous) {
    expect(() => decode(decoderFor<unknown>(schema), '{"item":"a"}')).toThrow(/asynchronous/i)
  }
})
