import { AssignerProtocol } from 'kafkajs'
import { describe, expect, test } from 'vitest'
import {
  decodeAssignment,
  decodeMemberData,
  encodeAssignment,
  encodeMemberData,
  type MemberData,
  wantsDigest,
} from '../../../../../src/source/kafka/group/member-data.ts'
import { Wants } from '../../../../../src/source/kafka/group/wants.ts'

const data: MemberData = {
  wants: [
    { topic: 'a', partitions: 3 },
    { topic: 'b', partitions: [0, 2] },
  ],
  owned: [
    { topic: 'a', partition: 1 },
    { topic: 'b', partition: 2 },
  ],
  generation: 7,
}

describe('what members tell each other', () => {
  test('comes back as it was', () => {
    expect(decodeMemberData(encodeMemberData(data))).toEqual(data)
    const assignment = {
      partitions: data.owned,
      basis: wantsDigest(data.wants),
      isPartial: true,
      isAwaited: false,
    }
    expect(decodeAssignment(encodeAssignment(assignment))).toEqual(assignment)
    expect(decodeAssignment(Buffer.alloc(0))).toBeNull()
  })

  test("has Kafka's outer form, which its tools read", () => {
    expect(AssignerProtocol.MemberMetadata.decode(encodeMemberData(data))).toMatchObject({
      topics: ['a', 'b'],
    })
    const assignment = encodeAssignment({
      partitions: data.owned,
      basis: wantsDigest([]),
      isPartial: false,
      isAwaited: true,
    })
    expect(AssignerProtocol.MemberAssignment.decode(assignment)).toMatchObject({
      assignment: { a: [1], b: [2] },
    })
  })

  test('the digest tells topics, counts and selections apart', () => {
    const wants = [
      [],
      [{ topic: 'a', partitions: 1 }],
      [{ topic: 'a', partitions: 2 }],
      [{ topic: 'a', partitions: [0] }],
      [{ topic: 'b', partitions: 1 }],
    ]
    expect(new Set(wants.map(wantsDigest)).size).toBe(wants.length)
  })
})

describe('what a member has seen', () => {
  const seen = (wants: Wants, topic: string, partitions: number, selected?: readonly number[]) =>
    wants.see({
      clusterId: 'c',
      topics: [{ topic, topicId: 'id', partitions, byPattern: false, ...(selected && { selected }) }],
    })

  test('grows, and does not shrink when a broker is behind', () => {
    const wants = new Wants()
    seen(wants, 'b', 4)
    seen(wants, 'b', 2)
    seen(wants, 'a', 9, [1, 3])
    expect(wants.list()).toEqual([
      { topic: 'a', partitions: [1, 3] },
      { topic: 'b', partitions: 4 },
    ])
  })
})
