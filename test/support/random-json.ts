import fc from 'fast-check'
import type { SeededRandom } from '../../src/runtime/seeded-random.ts'

const word = fc.constantFrom('x', 'y', 'in', 'deep', 'é', '__proto__', 'z', '\\u0078', '', 'a b')
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => JSON.stringify(n)),
      fc.constantFrom('-0', '0.10', '1e5', '1E+400', '12345678901234567890', '-0.000', '19.75'),
      fc.string({ unit: 'binary' }).map((text) => JSON.stringify(text)),
      fc.constantFrom('"\\ud800"', '"\\u0041"', '"\\/"', 'null', 'true', 'false'),
    ),
    tie('object'),
    fc.array(tie('value'), { maxLength: 3 }).map((items) => `[${items.join(' , ')}]`),
  ),
  object: fc
    .array(fc.tuple(word, tie('value'), fc.constantFrom('', ' ', '\n\t')), { maxLength: 5 })
    .map(
      (members) =>
        `{${members.map(([name, value, space]) => `${space}"${name}"${space}:${value}`).join(',')}}`,
    ),
}))

/** Objects of names that are wanted, and others; with spaces, escapes, and whatever else JSON has. */
export const jsonObject = json.object as fc.Arbitrary<string>

const alphabet = [
  ...Buffer.from('{}[]",:\\ \n0123456789.eE+-truefalsn'),
  0x80,
  0xc3,
  0xa9,
  0xed,
  0xa0,
  0xf0,
  0xff,
  0,
  31,
]

/** `original` with bytes changed, put in, cut or doubled at one to three places. */
export function broken(original: Buffer, random: SeededRandom): Buffer {
  let bytes = Buffer.from(original)
  for (let change = random.integer(1, 3); change > 0; change--) {
    const where = random.integer(0, Math.max(bytes.length - 1, 0))
    const byte = Buffer.from([alphabet[random.integer(0, alphabet.length - 1)] ?? 0])
    const [head, tail] = [bytes.subarray(0, where), bytes.subarray(where)]
    switch (random.integer(0, 3)) {
      case 0:
        bytes = Buffer.concat([head, byte, tail.subarray(1)])
        break
      case 1:
        bytes = Buffer.concat([head, byte, tail])
        break
      case 2:
        bytes = Buffer.concat([head, tail.subarray(random.integer(1, 4))])
        break
      default:
        bytes = Buffer.concat([head, tail.subarray(0, random.integer(1, 4)), tail])
    }
  }
  return bytes
}
