import { describe, expect, test } from 'vitest'
import { storedRow } from '../../../src/sink/stored-row.ts'

describe('a row for append', () => {
  test('may hold every column value, undefined and null', () => {
    const values = {
      a: 'x',
      b: 1.5,
      c: 2n,
      d: false,
      e: new Date(0),
      f: new Uint8Array(1),
      g: null,
      h: undefined,
    }
    expect(() => storedRow(values, false)).not.toThrow()
    expect(() => storedRow({}, true)).not.toThrow()
  })

  test.each<[unknown, RegExp]>([
    [null, /got null/],
    [undefined, /got undefined/],
    ['text', /got the string "text"/],
    [[1], /got an array/],
    [new Date(0), /got the Date/],
    [Buffer.from('x'), /got an object/],
    [{}, /no fields/],
    [new Map([['a', 1]]), /no fields/],
    [
      { a: 1, nested: { n: 1n } },
      /^field "nested" is no JSON: the value at "n" is the bigint 1n, which JSON does not have$/,
    ],
    [{ list: [() => 1] }, /^field "list" is no JSON: the value at "0" is a function/],
    [{ n: Number.NaN }, /field "n" is NaN/],
    [{ n: Number.NEGATIVE_INFINITY }, /field "n" is -Infinity/],
    [{ d: new Date(Number.NaN) }, /field "d" is an invalid Date/],
    [{ f: () => 1 }, /field "f" is a function/],
    [{ s: Symbol('s') }, /field "s" is a symbol/],
    [{ '\u001b[2J': new Map() }, /field "\\u\{1b\}\[2J" is no JSON: it is an object/],
  ])('%s is refused with the reason', (row, reason) => {
    expect(() => storedRow(row, false)).toThrow(reason)
  })
})
