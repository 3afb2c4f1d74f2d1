import { expect, test } from 'vitest'
import { nearestWord } from '../../../src/model/nearest-word.ts'

const known = ['maxRecordsPerBatch', 'maxBufferedBytes', 'name', 'poison']

test.each([
  ['maxRecordPerBatch', 'maxRecordsPerBatch'],
  ['MAXBUFFEREDBYTES', 'maxBufferedBytes'],
  ['maxBatchRecords', null],
  ['names', 'name'],
  ['poisn', 'poison'],
  ['posion', 'poison'],
  ['trigger', null],
  ['', null],
  ['__proto__', null],
])('%j was meant to be %j', (word, meant) => {
  expect(nearestWord(word, known)).toBe(meant)
})

test('nothing is near to nothing', () => {
  expect(nearestWord('name', [])).toBeNull()
})
