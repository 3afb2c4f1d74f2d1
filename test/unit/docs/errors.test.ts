import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { errorCodes, OncesinkError } from '../../../src/errors.ts'

const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8')
const [, ofCodes = '', ofInput = ''] = page.split(/^## (?:Codes|Bad input, and what it says)$/m)
const rowsOf = (section: string) =>
  section
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(1)
    .map((line) => line.split('|').map((cell) => cell.trim()))
const codesIn = (cell: string) => [...cell.matchAll(/`([A-Z_]+)`/g)].map(([, code]) => code)

test('the page has every code with its disposition and exit code, and no other', () => {
  const told = rowsOf(ofCodes).map(([, code = '', disposition, exit]) => [
    codesIn(code)[0],
    disposition,
    exit,
  ])
  const real = errorCodes.map((code) => {
    const { disposition, exitCode } = new OncesinkError(code, '')
    return [code, disposition, String(exitCode)]
  })
  expect(told.sort()).toEqual(real.sort())
})

test('every bad input has a code that there is', () => {
  const codes = rowsOf(ofInput).map(([, , cell = '']) => codesIn(cell))
  expect(codes.length).toBeGreaterThan(20)
  for (const found of codes) {
    expect(found).not.toEqual([])
    expect(errorCodes).toEqual(expect.arrayContaining(found))
  }
})
