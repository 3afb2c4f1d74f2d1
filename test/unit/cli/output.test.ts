import { expect, test } from 'vitest'
import { alignedTable } from '../../../src/cli/output.ts'

test('columns are aligned, numbers to the right, and null is a dash', () => {
  expect(
    alignedTable([
      { topic: 'a', lag: 5n, owner: null },
      { topic: 'long', lag: 1234n, owner: 'me' },
    ]),
  ).toBe('topic   lag  owner\n-----  ----  -----\na         5  -\nlong   1234  me')
})

test('control characters in data are written out, so that data cannot move the cursor', () => {
  expect(alignedTable([{ item: 'x\u001b[2J\n' }])).toContain('x\\u001b[2J\\u000a')
})
