import { Buffer } from 'node:buffer'
import { describeValue } from '../../model/excerpt.ts'
import { isPlainObject } from '../../model/plain-object.ts'

/*
 * Values as JSON, exactly. What JSON can say is written as it is; anything else is an object with one field whose name
 * begins with `$`. An object that JSON could not tell from such a one is written as its entries (`$object`).
 */

type Json = string | number | boolean | null | Json[] | { [name: string]: Json }

/**
 * What `JSON.stringify` can write and {@link decodePlain} makes the same value of.
 * @param name what the value is, for the message: `field 'at' of a row`
 * @throws Error for what is not plain data: a function, a symbol, an instance of a class of the user's
 */
export function encodePlain(value: unknown, name: string): Json {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      return encodeNumber(value)
    case 'bigint':
      return { $bigint: value.toString() }
    case 'undefined':
      return { $undefined: true }
    case 'object':
      return value === null ? null : encodeObject(value, name)
    default:
      throw new Error(`${name} is ${describeValue(value)}, which is no plain data`)
  }
}

function encodeNumber(value: number): Json {
  if (Number.isFinite(value) && !Object.is(value, -0)) return value
  return { $number: Object.is(value, -0) ? '-0' : String(value) }
}

function encodeObject(value: object, name: string): Json {
  // Holes are written as undefined.
  if (Array.isArray(value)) return Array.from(value, (item) => encodePlain(item, `an element of ${name}`))
  if (value instanceof Date) return { $date: Number.isNaN(value.getTime()) ? null : value.getTime() }
  if (Buffer.isBuffer(value)) return { $buffer: value.toString('base64') }
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('base64') }
  if (value instanceof Map) {
    const entries = [...value].map(([key, item]): Json[] => [
      encodePlain(key, `a key of ${name}`),
      encodePlain(item, `a value of ${name}`),
    ])
    return { $map: entries }
  }
  if (value instanceof Set) {
    return { $set: Array.from(value, (item) => encodePlain(item, `an element of ${name}`)) }
  }
  if (!isPlainObject(value)) {
    throw new Error(`${name} is an instance of ${value.constructor.name}, which is no plain data`)
  }
  const entries = Object.entries(value).map(([field, item]): [string, Json] => [
    field,
    encodePlain(item, `field '${field}' of ${name}`),
  ])
  if (Object.getPrototypeOf(value) === null) return { $null: entries }
  const isPlain = entries.every(([field]) => !field.startsWith('$') && field !== '__proto__')
  return isPlain ? Object.fromEntries(entries) : { $object: entries }
}

/**
 * The value that {@link encodePlain} was given.
 * @throws Error for what it cannot have written
 */
export function decodePlain(json: unknown): unknown {
  if (typeof json !== 'object' || json === null) return json
  if (Array.isArray(json)) return json.map(decodePlain)
  const entries = Object.entries(json)
  const [first] = entries
  if (!first?.[0].startsWith('$')) {
    return Object.fromEntries(entries.map(([field, item]) => [field, decodePlain(item)]))
  }
  if (entries.length !== 1) throw new Error(`an object has '${first[0]}' beside other fields`)
  return decodeTagged(...first)
}

function decodeTagged(tag: string, content: unknown): unknown {
  switch (tag) {
    case '$bigint':
      return BigInt(content as string)
    case '$number':
      return Number(content)
    case '$undefined':
      return undefined
    case '$date':
      return new Date((content as number | null) ?? Number.NaN)
    case '$buffer':
      return Buffer.from(content as string, 'base64')
    case '$bytes':
      return new Uint8Array(Buffer.from(content as string, 'base64'))
    case '$map':
      return new Map((content as [unknown, unknown][]).map(([k, v]) => [decodePlain(k), decodePlain(v)]))
    case '$set':
      return new Set((content as unknown[]).map(decodePlain))
    case '$null':
      return define(Object.create(null) as object, content)
    case '$object':
      return define({}, content)
    default:
      throw new Error(`there is no '${tag}' in this version of the format`)
  }
}

/** `object` with own fields of these names, `__proto__` among them. */
function define(object: object, entries: unknown): object {
  for (const [field, value] of entries as [string, unknown][]) {
    Object.defineProperty(object, field, {
      value: decodePlain(value),
      writable: true,
      enumerable: true,
      configurable: true,
    })
  }
  return object
}
