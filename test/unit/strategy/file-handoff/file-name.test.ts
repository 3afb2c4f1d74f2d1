import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  compareFiles,
  fileName,
  fileStates,
  parseFileName,
} from '../../../../src/strategy/file-handoff/file-name.ts'

const offset = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })
const file = fc.record({
  topic: fc.constant('t'),
  partition: fc.constant(0),
  epoch: offset,
  from: offset,
  until: offset,
  claimId: fc.uuid(),
})

test('a name says what it was made of', () => {
  fc.assert(
    fc.property(file, fc.constantFrom(...fileStates), (id, state) => {
      const { topic: _, partition: __, ...rest } = id
      expect(parseFileName(fileName(id, state))).toEqual({ state, id: rest })
    }),
  )
})

test('names sort in the order in which files are loaded', () => {
  fc.assert(
    fc.property(fc.uniqueArray(file, { selector: ({ epoch, from }) => `${epoch} ${from}` }), (files) => {
      const byName = files.map((id) => fileName(id, 'handoff')).sort()
      expect(files.toSorted(compareFiles).map((id) => fileName(id, 'handoff'))).toEqual(byName)
    }),
  )
})

test('other names are none of ours', () => {
  for (const name of ['a', '1-2-3.handoff', '.DS_Store', 'x.handoff.json'])
    expect(parseFileName(name)).toBeNull()
})
