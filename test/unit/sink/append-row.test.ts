import { describe, expect, test } from 'vitest'
import { checkAppendRow } from '../../../src/sink/append-row.ts'

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
    expect(() => checkAppendRow(values, false)).not.toThrow()
    expect(() => checkAppendRow({}, true)).not.toThrow()
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
    [{ a: 1, nested: {} }, /field "nested" is an object/],
    [{ list: [1] }, /field "list" is an array/],
    [{ n: Number.NaN }, /field "n" is NaN/],
    [{ n: Number.NEGATIVE_INFINITY }, /field "n" is -Infinity/],
    [{ d: new Date(Number.NaN) }, /field "d" is an invalid Date/],
    [{ f: () => 1 }, /field "f" is a function/],
    [{ s: Symbol('s') }, /field "s" is a symbol/],
    [{ '\u001b[2J': {} }, /field "\\u\{1b\}\[2J" is an object/],
  ])('%s is refused with the reason', (row, reason) => {
    expect(() => checkAppendRow(row, false)).toThrow(reason)
  })
})
