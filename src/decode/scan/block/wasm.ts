/*
 * As much of WebAssembly's binary format as is needed here (WebAssembly Core Specification 2.0, chapter 5): expressions
 * are the bytes that compute them, and functions of this module put them together.
 */

/** Instructions; those of an expression leave one value. */
export type Code = readonly number[]

export const Type = { i32: 0x7f, i64: 0x7e, f64: 0x7c, v128: 0x7b } as const
type Type = (typeof Type)[keyof typeof Type]

/** A parameter or variable of a function. */
export interface Local {
  readonly get: Code
  readonly set: (value: Code) => Code
}

/** Parameters, and then variables, of a function. */
export function locals<Name extends string>(...names: readonly Name[]): Record<Name, Local> {
  const all = names.map((name, index) => {
    const one: Local = { get: [0x20, index], set: (value) => [...value, 0x21, index] }
    return [name, one]
  })
  return Object.fromEntries(all) as Record<Name, Local>
}

export const i32 = (value: number): Code => [0x41, ...signed(BigInt(value))]
export const i64 = (value: bigint): Code => [0x42, ...signed(value)]

/** An instruction of two operands. */
const binary =
  (...opcode: number[]) =>
  (a: Code, b: Code): Code => [...a, ...b, ...opcode]
const unary =
  (...opcode: number[]) =>
  (a: Code): Code => [...a, ...opcode]

export const isZero = unary(0x45)
export const equal = binary(0x46)
export const notEqual = binary(0x47)
export const aboveUnsigned = binary(0x4b)
export const trailingZeros = unary(0x68)
export const add = binary(0x6a)
export const subtract = binary(0x6b)
export const multiply = binary(0x6c)
export const or = binary(0x72)
const bothOf = binary(0x71)
/** Of conditions, which are all computed. */
export const and = (...conditions: Code[]): Code => conditions.reduce((a, b) => bothOf(a, b))
export const exclusiveOr = binary(0x73)
export const notEqual64 = binary(0x52)
export const add64 = binary(0x7c)
export const subtract64 = binary(0x7d)
export const multiply64 = binary(0x7e)
/** An i64 of an i32 that has no sign. */
export const extend = unary(0xad)
/** The double nearest to a signed i64. */
export const toDouble = unary(0xb9)

const access = (...opcode: number[]) => {
  return (address: Code, offset = 0): Code => [...address, ...opcode, 0, ...unsigned(offset)]
}
export const load8 = access(0x2d)
export const load16 = access(0x2f)
export const load32 = access(0x28)
export const load64 = access(0x29)
export const load128 = access(0xfd, 0)
const storing =
  (opcode: number) =>
  (address: Code, value: Code, offset = 0): Code => [...address, ...value, opcode, 0, ...unsigned(offset)]
export const store8 = storing(0x3a)
export const store32 = storing(0x36)
export const storeDouble = storing(0x39)

/** Sixteen times the byte that an i32 has lowest. */
export const splat = unary(0xfd, 15)
export const equalBytes = binary(0xfd, 35)
export const notEqualBytes = binary(0xfd, 36)
/** Of bytes with a sign. */
export const belowBytes = binary(0xfd, 37)
export const or128 = binary(0xfd, 80)
export const anyTrue = unary(0xfd, 83)
/** The highest bits of sixteen bytes. */
export const bitmask = unary(0xfd, 100)
export const bytes128 = (bytes: Uint8Array): Code => [0xfd, 12, ...bytes]

export const block = (...body: Code[]): Code => [0x02, 0x40, ...body.flat(), 0x0b]
export const loop = (...body: Code[]): Code => [0x03, 0x40, ...body.flat(), 0x0b]
export const when = (condition: Code, ...body: Code[]): Code => [
  ...condition,
  0x04,
  0x40,
  ...body.flat(),
  0x0b,
]
export const either = (condition: Code, then: Code, otherwise: Code): Code => [
  ...condition,
  0x04,
  0x40,
  ...then,
  0x05,
  ...otherwise,
  0x0b,
]
/** Leaves the block, or begins the loop again, that is `depth` levels around. */
export const branch = (depth: number): Code => [0x0c, depth]
export const branchIf = (depth: number, condition: Code): Code => [...condition, 0x0d, depth]
export const give = (value: Code): Code => [...value, 0x0f]
export const call = (index: number, ...args: Code[]): Code => [...args.flat(), 0x10, index]

export interface WasmFunction {
  /** Each of them an i32, as the result is. */
  readonly parameters: number
  readonly variables: readonly Type[]
  readonly body: readonly Code[]
}

/** A module that imports `env.memory` and exports the last of its functions as `run`. */
export function moduleOf(functions: readonly WasmFunction[]): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ parameters }) => [
    0x60,
    ...vector(repeat(parameters, Type.i32)),
    1,
    Type.i32,
  ])
  const bodies = functions.map(({ variables, body }) => {
    const code = [...vector(variables.map((type) => [1, type])), ...body.flat(), 0x0b]
    return [...unsigned(code.length), ...code]
  })
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector(types)),
    ...section(2, vector([[...name('env'), ...name('memory'), 2, 0, 1]])),
    ...section(3, vector(functions.map((_, index) => [index]))),
    ...section(7, vector([[...name('run'), 0, functions.length - 1]])),
    ...section(10, vector(bodies)),
  ])
}

const section = (id: number, content: Code): Code => [id, ...unsigned(content.length), ...content]
const vector = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()]
const repeat = (count: number, type: Type): Code[] => Array.from({ length: count }, () => [type])
const name = (text: string): Code => vector([...Buffer.from(text)].map((byte) => [byte]))

/** LEB128 */
function unsigned(value: number): Code {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)]
}

function signed(value: bigint): Code {
  const low = Number(value & 127n)
  return value >= -64n && value < 64n ? [low] : [low | 128, ...signed(value >> 7n)]
}
