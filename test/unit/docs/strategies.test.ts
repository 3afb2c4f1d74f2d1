import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..', '..', '..')

test('the strategy that the documentation shows is the one that the contract is run on', () => {
  const docs = readFileSync(join(root, 'docs/strategies.md'), 'utf8')
  const code = readFileSync(join(root, 'test/support/strategies/one-at-a-time.ts'), 'utf8')
  expect(docs).toContain(code)
})
