import { HASH_BASIS, HASH_PRIME, Kind, MAX_DIGITS, NO_SCALE } from '../scanned-fields.ts'
import type { Layout } from './layout.ts'
import type { MemoryMap } from './memory-map.ts'
import {
  aboveUnsigned,
  add,
  add64,
  and,
  anyTrue,
  belowBytes,
  bitmask,
  block,
  branch,
  branchIf,
  bytes128,
  type Code,
  call,
  either,
  equal,
  equalBytes,
  exclusiveOr,
  extend,
  give,
  i32,
  i64,
  isZero,
  load8,
  load16,
  load32,
  load64,
  load128,
  locals,
  loop,
  moduleOf,
  multiply,
  multiply64,
  notEqual,
  notEqual64,
  notEqualBytes,
  or,
  or128,
  splat,
  store8,
  store32,
  storeDouble,
  subtract,
  subtract64,
  Type,
  toDouble,
  trailingZeros,
  type WasmFunction,
  when,
} from './wasm.ts'

/*
 * Addresses are those of the WebAssembly memory; what is written into its columns are positions in the buffer that the
 * records came from, which are `shift` less.
 */

/** Functions of the module, by their place in it. */
const stringEnd = 0
const valueEnd = 1
const hash = 2
const record = 3

/**
 * A module whose `run(records, shift, limit)` scans those of the first `records` that are not done yet and lie in the input
 * before the address `limit`, and returns how many it has done. Records of this layout are, where their strings have neither escapes nor anything beyond ASCII, and their
 * numbers no exponents.
 * @param hashed slots whose bytes are hashed
 */
export function kernelOf(
  layout: Layout,
  map: MemoryMap,
  hashed: ReadonlySet<number>,
): Uint8Array<ArrayBuffer> {
  return moduleOf([
    stringFunction(),
    valueFunction(map),
    hashFunction(map),
    recordFunction(layout, map, hashed),
    runFunction(map),
  ])
}

/** `(p)`: the address of the quote that ends the string whose characters begin at p; 0 where there are others before it. */
function stringFunction(): WasmFunction {
  const { p, special, bytes } = locals('p', 'special', 'bytes')
  const isSpecial = or128(
    or128(equalBytes(bytes.get, splat(i32(34))), equalBytes(bytes.get, splat(i32(92)))),
    // Bytes have a sign here: everything beyond ASCII is less, too.
    belowBytes(bytes.get, splat(i32(32))),
  )
  return {
    parameters: 1,
    variables: [Type.i32, Type.v128],
    body: [
      loop(
        bytes.set(load128(p.get)),
        special.set(bitmask(isSpecial)),
        when(isZero(special.get), p.set(add(p.get, i32(16))), branch(1)),
      ),
      p.set(add(p.get, trailingZeros(special.get))),
      multiply(p.get, equal(load8(p.get), i32(34))),
    ],
  }
}

/** `(p, cell, shift)`: the address after the value at p, which is then in the cell; 0 where it is not understood. */
function valueFunction({ kinds, starts, ends, scales, mantissas }: MemoryMap): WasmFunction {
  const { p, cell, shift, first, from, digits, scale, digit, mantissa } = locals(
    'p',
    'cell',
    'shift',
    'first',
    'from',
    'digits',
    'scale',
    'digit',
    'mantissa',
  )
  const note = (kind: Kind, start: Code, end: Code): Code => [
    ...store32(cell.get, i32(kind), kinds),
    ...store32(cell.get, subtract(start, shift.get), starts),
    ...store32(cell.get, subtract(end, shift.get), ends),
  ]
  const word = (text: string, kind: Kind): Code => {
    const end = add(p.get, i32(text.length))
    return when(and(...sameBytes(Buffer.from(text), p.get)), note(kind, p.get, end), give(end))
  }
  const isDigit = aboveUnsigned(i32(10), subtract(load8(p.get), i32(48)))
  const digitsToMantissa = block(
    loop(
      digit.set(subtract(load8(p.get), i32(48))),
      branchIf(1, aboveUnsigned(digit.get, i32(9))),
      mantissa.set(add64(multiply64(mantissa.get, i64(10n)), extend(digit.get))),
      p.set(add(p.get, i32(1))),
      branch(0),
    ),
  )
  return {
    parameters: 3,
    variables: [Type.i32, Type.i32, Type.i32, Type.i32, Type.i32, Type.i64],
    body: [
      first.set(load8(p.get)),
      from.set(p.get),
      when(
        equal(first.get, i32(34)),
        p.set(call(stringEnd, add(p.get, i32(1)))),
        when(isZero(p.get), give(i32(0))),
        note(Kind.ascii, add(from.get, i32(1)), p.get),
        give(add(p.get, i32(1))),
      ),
      p.set(add(p.get, equal(first.get, i32(45)))),
      when(
        isDigit,
        first.set(p.get),
        digitsToMantissa,
        digits.set(subtract(p.get, first.get)),
        // No zero before other digits.
        when(and(equal(load8(first.get), i32(48)), notEqual(digits.get, i32(1))), give(i32(0))),
        when(
          equal(load8(p.get), i32(46)),
          p.set(add(p.get, i32(1))),
          first.set(p.get),
          digitsToMantissa,
          scale.set(subtract(p.get, first.get)),
          when(isZero(scale.get), give(i32(0))),
        ),
        when(equal(or(load8(p.get), i32(32)), i32(101)), give(i32(0))),
        note(Kind.number, from.get, p.get),
        either(
          aboveUnsigned(add(digits.get, scale.get), i32(MAX_DIGITS)),
          store32(cell.get, i32(NO_SCALE), scales),
          [
            ...store32(cell.get, scale.get, scales),
            ...when(equal(load8(from.get), i32(45)), mantissa.set(subtract64(i64(0n), mantissa.get))),
            ...storeDouble(multiply(cell.get, i32(2)), toDouble(mantissa.get), mantissas),
          ],
        ),
        give(p.get),
      ),
      // A sign without a digit ends here, too.
      p.set(from.get),
      word('null', Kind.null),
      word('true', Kind.true),
      word('false', Kind.false),
      i32(0),
    ],
  }
}

/** `(cell, shift)`: {@link hashOfBytes} of the value in the cell. */
function hashFunction({ starts, ends }: MemoryMap): WasmFunction {
  const { cell, shift, p, end, sum } = locals('cell', 'shift', 'p', 'end', 'sum')
  return {
    parameters: 2,
    variables: [Type.i32, Type.i32, Type.i32],
    body: [
      p.set(add(load32(cell.get, starts), shift.get)),
      end.set(add(load32(cell.get, ends), shift.get)),
      sum.set(i32(HASH_BASIS)),
      block(
        loop(
          branchIf(1, equal(p.get, end.get)),
          sum.set(multiply(exclusiveOr(sum.get, load8(p.get)), i32(HASH_PRIME))),
          p.set(add(p.get, i32(1))),
          branch(0),
        ),
      ),
      sum.get,
    ],
  }
}

/** `(p, end, cell, shift)`: 1 if the record at p is understood, whose first cell is given; else 0. */
function recordFunction(
  { fixed, slots }: Layout,
  { slotCount, kinds, hashes, unwanted }: MemoryMap,
  hashed: ReadonlySet<number>,
): WasmFunction {
  const { p, end, cell, shift, next } = locals('p', 'end', 'cell', 'shift', 'next')
  const cellOf = (slot: number): Code => add(cell.get, i32(slot * 4))
  const found = new Set(slots.flat())
  const body: Code[] = []
  for (let slot = 0; slot < slotCount; slot++) {
    if (!found.has(slot)) body.push(store32(cellOf(slot), i32(Kind.missing), kinds))
  }
  for (const [n, bytes] of fixed.entries()) {
    for (const same of sameBytes(bytes, p.get)) body.push(when(isZero(same), give(i32(0))))
    body.push(p.set(add(p.get, i32(bytes.length))))
    const wanted = slots[n]
    if (wanted === undefined) break
    for (const out of wanted.length === 0 ? [i32(unwanted)] : wanted.map(cellOf)) {
      body.push(next.set(call(valueEnd, p.get, out, shift.get)), when(isZero(next.get), give(i32(0))))
    }
    for (const slot of wanted) {
      if (hashed.has(slot)) body.push(store32(cellOf(slot), call(hash, cellOf(slot), shift.get), hashes))
    }
    body.push(p.set(next.get))
  }
  // Whatever was read past the end, of the bytes that come next, shows here.
  body.push(equal(p.get, end.get))
  return { parameters: 4, variables: [Type.i32], body }
}

/** Conditions which together say that `bytes` are at `address`: as few as there can be. */
function sameBytes(bytes: Uint8Array, address: Code): Code[] {
  const view = Buffer.from(bytes)
  const conditions: Code[] = []
  let at = 0
  const rest = () => view.length - at
  for (; rest() >= 16; at += 16) {
    const sixteen = bytes128(view.subarray(at, at + 16))
    conditions.push(isZero(anyTrue(notEqualBytes(load128(address, at), sixteen))))
  }
  for (; rest() >= 8; at += 8) {
    conditions.push(isZero(notEqual64(load64(address, at), i64(view.readBigInt64LE(at)))))
  }
  for (; rest() >= 4; at += 4) conditions.push(equal(load32(address, at), i32(view.readInt32LE(at))))
  for (; rest() >= 2; at += 2) conditions.push(equal(load16(address, at), i32(view.readUInt16LE(at))))
  for (; rest() >= 1; at += 1) conditions.push(equal(load8(address, at), i32(view.readUInt8(at))))
  return conditions
}

/** `(records, shift, limit)`: how many were done. */
function runFunction({ done, begins, untils, input, slotCount }: MemoryMap): WasmFunction {
  const { records, shift, limit, i, cell, count, p, end } = locals(
    'records',
    'shift',
    'limit',
    'i',
    'cell',
    'count',
    'p',
    'end',
  )
  const quad = multiply(i.get, i32(4))
  return {
    parameters: 3,
    variables: [Type.i32, Type.i32, Type.i32, Type.i32, Type.i32],
    body: [
      block(
        loop(
          branchIf(1, equal(i.get, records.get)),
          p.set(add(load32(quad, begins), shift.get)),
          end.set(add(load32(quad, untils), shift.get)),
          when(
            and(
              isZero(load8(i.get, done)),
              isZero(aboveUnsigned(i32(input), p.get)),
              isZero(aboveUnsigned(p.get, end.get)),
              isZero(aboveUnsigned(end.get, limit.get)),
            ),
            when(
              call(record, p.get, end.get, cell.get, shift.get),
              store8(i.get, i32(1), done),
              count.set(add(count.get, i32(1))),
            ),
          ),
          i.set(add(i.get, i32(1))),
          cell.set(add(cell.get, i32(slotCount * 4))),
          branch(0),
        ),
      ),
      count.get,
    ],
  }
}
