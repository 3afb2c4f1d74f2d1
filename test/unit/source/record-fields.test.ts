import { describe, expect, test } from 'vitest'
import { recordHeaders, recordKey, recordOffset } from '../../../src/source/record-fields.ts'
import { segmentFromRecords } from '../../../src/source/record-segment.ts'

describe('record fields', () => {
  const segment = segmentFromRecords('t', 0, [
    {
      offset: 7,
      key: 'k',
      value: 'v',
      headers: [
        ['a', '1'],
        ['b', null],
        ['a', '2'],
      ],
    },
    { offset: 9, key: null, value: null },
    { offset: 10, key: '', value: 'x', headers: [['empty', '']] },
  ])

  test('offsets keep the gaps that compaction left', () => {
    expect([0, 1, 2].map((i) => recordOffset(segment, i))).toEqual([7, 9, 10])
  })

  test('a null key is null and an empty one is empty', () => {
    expect(recordKey(segment, 0)).toEqual(Buffer.from('k'))
    expect(recordKey(segment, 1)).toBeNull()
    expect(recordKey(segment, 2)).toEqual(Buffer.alloc(0))
  })

  test('of headers with one name the last counts, and null is not empty', () => {
    const headers = recordHeaders(segment, 0)
    expect([...headers.keys()]).toEqual(['a', 'b'])
    expect(headers.get('a')).toEqual(Buffer.from('2'))
    expect(headers.get('b')).toBeNull()
    expect(recordHeaders(segment, 1).size).toBe(0)
    expect(recordHeaders(segment, 2).get('empty')).toEqual(Buffer.alloc(0))
  })
})
