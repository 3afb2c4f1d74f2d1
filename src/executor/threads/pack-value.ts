import { isThenable } from '../../model/excerpt.ts'
import { isPlainObject } from '../../model/plain-object.ts'

/** Deepest nesting of what goes from one thread to another. */
const MAX_DEPTH = 100

/** What is moved, not copied, together with a message. */
export type Transfers = ArrayBuffer[]

/**
 * A value made fit for another thread: what arrives equals it.
 * - Views of bytes are copied out of what they are a part of (a fetch response, Node's pool), which a structured clone
 *   would send whole.
 * - Buffers would arrive as Uint8Arrays, which not every driver takes: they travel as DataViews.
 * - What a clone would silently change is refused: functions, promises, instances of classes.
 * @param path names the value in messages
 * @param packed set to true when {@link unpackValue} has something to do
 * @returns `value` itself where nothing had to be done
 * @throws Error with the reason why it cannot be sent
 */
export function packValue(
  value: unknown,
  path: string,
  transfers: Transfers,
  packed: Packed,
  depth = 0,
): unknown {
  if (typeof value !== 'object') {
    if (typeof value === 'function' || typeof value === 'symbol') throw unsendable(path, `a ${typeof value}`)
    return value
  }
  if (value === null || value instanceof Date || value instanceof RegExp) return value
  if (depth > MAX_DEPTH) {
    throw new Error(`${path.slice(0, 40)}... is nested deeper than ${MAX_DEPTH} levels, or in itself`)
  }
  if (ArrayBuffer.isView(value)) return packView(value, path, transfers, packed)
  if (Array.isArray(value)) {
    return packEach(value, (item, i) => packValue(item, `${path}[${i}]`, transfers, packed, depth + 1))
  }
  if (value instanceof Map) {
    const entries = [...value].flat()
    const moved = packEach(entries, (item) =>
      packValue(item, `an entry of ${path}`, transfers, packed, depth + 1),
    )
    return moved === entries ? value : new Map(pairs(moved))
  }
  if (value instanceof Set) {
    const items = [...value]
    const moved = packEach(items, (item) =>
      packValue(item, `an entry of ${path}`, transfers, packed, depth + 1),
    )
    return moved === items ? value : new Set(moved)
  }
  if (isPlainObject(value)) return packObject(value, path, transfers, packed, depth)
  throw unsendable(path, isThenable(value) ? 'a Promise' : `an instance of ${nameOf(value)}`)
}

export interface Packed {
  buffers: boolean
}

function packView(
  view: ArrayBufferView,
  path: string,
  transfers: Transfers,
  packed: Packed,
): ArrayBufferView {
  if (Buffer.isBuffer(view)) {
    packed.buffers = true
    const { buffer } = new Uint8Array(view)
    transfers.push(buffer)
    return new DataView(buffer)
  }
  if (view instanceof DataView) throw unsendable(path, 'a DataView')
  if (view.byteLength === view.buffer.byteLength) return view
  if (view instanceof Uint8Array) {
    const copy = new Uint8Array(view)
    transfers.push(copy.buffer)
    return copy
  }
  return view
}

function packObject(
  value: Readonly<Record<string, unknown>>,
  path: string,
  transfers: Transfers,
  packed: Packed,
  depth: number,
): unknown {
  let copy: Record<string, unknown> | null = null
  for (const name of Object.keys(value)) {
    const field = value[name]
    const moved = packValue(field, `${path}.${name}`, transfers, packed, depth + 1)
    if (moved === field) continue
    // Without a prototype: assigning to a field named `__proto__` makes a field.
    copy ??= Object.assign(Object.create(null), value) as Record<string, unknown>
    copy[name] = moved
  }
  return copy ?? value
}

function packEach(
  items: readonly unknown[],
  pack: (item: unknown, i: number) => unknown,
): readonly unknown[] {
  let copy: unknown[] | null = null
  for (let i = 0; i < items.length; i++) {
    const moved = pack(items[i], i)
    if (moved === items[i]) continue
    copy ??= [...items]
    copy[i] = moved
  }
  return copy ?? items
}

function pairs(flat: readonly unknown[]): [unknown, unknown][] {
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]])
}

function nameOf(value: object): string {
  const made: unknown = value.constructor
  return typeof made === 'function' && made.name !== '' ? made.name : 'a class'
}

function unsendable(path: string, what: string): Error {
  return new Error(
    `${path} is ${what}, which does not go from one thread to another as it is: with workerThreads, rows and accumulators are ` +
      'plain objects, arrays, Maps, Sets, strings, numbers, bigints, booleans, Dates and bytes; turn it into one of these',
  )
}

/** What {@link packValue} was given. Called only for what has Buffers in it. */
export function unpackValue(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof DataView) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  if (Array.isArray(value)) return value.map(unpackValue)
  if (value instanceof Map) return new Map([...value].map(([k, v]) => [unpackValue(k), unpackValue(v)]))
  if (value instanceof Set) return new Set([...value].map(unpackValue))
  if (!isPlainObject(value)) return value
  for (const name of Object.keys(value)) {
    const moved = unpackValue(value[name])
    if (moved !== value[name]) define(value, name, moved)
  }
  return value
}

/** Makes an own field of any name. */
export function define(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true })
}
