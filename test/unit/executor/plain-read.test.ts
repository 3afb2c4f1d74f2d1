import { expect, test } from 'vitest'
import { plainRead } from '../../../src/executor/plain-read.ts'

/** A function of exactly this text: what compiles the tests leaves no text as it is. */
const of = (text: string): unknown => new Function(`return ${text}`)()

test.each([
  '(order) => order.item',
  'order => order.item',
  '(order)=>order.item',
  '(order, meta) => order.item',
  '(order) => { return order.item }',
  '(order) => {\n  return order.item;\n}',
  'function (order) { return order.item; }',
  'function(order){return order.item}',
  '({ item }) => item',
  '({item})=>item',
])('%s reads a field', (text) => {
  expect(plainRead(of(text))).toBe('item')
})

test.each([
  "(o) => o.item || 'none'",
  "(o) => o.item ?? 'none'",
  "(o) => o.item === 'a' ? 'b' : o.item",
  '(o) => o.item.name',
  '(o) => o.item()',
  '(o) => o.item + 1',
  '(o) => o?.item',
  '(o) => other.item',
  '(o, meta) => meta.item',
  '(other, o) => o.item',
  '(o) => (o.item)',
  '(o) => [o.item]',
  '(o) => /* x */ o.item',
  '(o) => { count(); return o.item }',
  '(o) => { return o.item; } ',
  'async (o) => o.item',
  'async o => o.item',
  'function* (o) { return o.item; }',
  'function named(o) { return o.item; }',
  '(...o) => o.item',
  '(o = {}) => o.item',
  "({ item = 'x' }) => item",
  '({ item: other }) => item',
  '({ item, user }) => item',
  '({ item }, meta) => item',
  '({ item }) => user',
  '([item]) => item',
  'class { item }',
  "(o) => o['item']",
  '() => item',
  '(o) => o',
])('%s may do anything', (text) => {
  if (text.endsWith(' ')) return expect(plainRead(of(text))).toBe('item')
  expect(plainRead(of(`(globalThis.other, ${text})`))).toBeNull()
})

test('what has no text of its own is not recognised', () => {
  const read = of('(o) => o.item') as () => unknown
  expect(plainRead(read)).toBe('item')
  expect(plainRead(read.bind(null))).toBeNull()
  expect(plainRead(new Proxy(read, { apply: () => 'other' }))).toBeNull()
  const liar = of("(o) => 'other'") as () => unknown
  liar.toString = () => '(o) => o.item'
  expect(plainRead(liar)).toBeNull()
  for (const none of [undefined, null, '(o) => o.item', {}]) expect(plainRead(none)).toBeNull()
})
