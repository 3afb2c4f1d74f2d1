import { describe, expect, onTestFinished, test } from 'vitest'
import { OncesinkError } from '../../../../src/errors.ts'
import { systemRuntime } from '../../../../src/runtime/runtime.ts'
import { createAllPartitions } from '../../../../src/source/kafka/all-partitions.ts'
import type { Source } from '../../../../src/source/source.ts'
import { eventually } from '../../../support/eventually.ts'

function membershipOf(
  describeTopics: () => Readonly<Record<string, number>>,
  selected: Readonly<Record<string, readonly number[]>> = {},
) {
  const asked: number[] = []
  const describe: Source['describe'] = () => {
    asked.push(asked.length)
    const topics = Object.entries(describeTopics())
    return Promise.resolve({
      clusterId: 'c',
      topics: topics.map(([topic, partitions]) => ({
        topic,
        topicId: 'id',
        partitions,
        byPattern: false,
        ...(selected[topic] && { selected: selected[topic] }),
      })),
    })
  }
  const membership = createAllPartitions({ describe } as Source, {
    runtime: systemRuntime,
    metadataRefreshMs: 1,
  })
  onTestFinished(() => membership.stop())
  return { membership, asked }
}

describe('createAllPartitions', () => {
  test('owns only the partitions that were selected, also when the topic grows; other topics whole', async () => {
    let topics: Record<string, number> = { a: 3 }
    const { membership, asked } = membershipOf(() => topics, { a: [0, 2] })
    const [a0, a2, b0, b1] = [
      { topic: 'a', partition: 0 },
      { topic: 'a', partition: 2 },
      { topic: 'b', partition: 0 },
      { topic: 'b', partition: 1 },
    ]
    expect(await membership.start()).toEqual([a0, a2])
    topics = { a: 4, b: 2 }
    const looks = asked.length
    await eventually(() => asked.length > looks + 2)
    expect(membership.takeChanges()).toEqual({ gained: [b0, b1], lost: [] })
  })

  test('owns every partition of every topic, in order, and later those that were added', async () => {
    let topics: Record<string, number> = { b: 1, a: 2 }
    const { membership } = membershipOf(() => topics)
    let told = 0
    const remove = membership.onChange(() => {
      told += 1
    })
    const [a0, a1, b0] = [
      { topic: 'a', partition: 0 },
      { topic: 'a', partition: 1 },
      { topic: 'b', partition: 0 },
    ]
    expect(await membership.start()).toEqual([a0, a1, b0])
    expect(told).toBe(0)
    topics = { b: 3, a: 2 }
    await eventually(() => told > 0)
    const added = {
      gained: [
        { topic: 'b', partition: 1 },
        { topic: 'b', partition: 2 },
      ],
      lost: [],
    }
    expect(membership.takeChanges()).toEqual(added)
    expect(membership.takeChanges()).toEqual({ gained: [], lost: [] })
    expect(await membership.confirm()).toBe(true)
    remove()
    const before = told
    topics = { b: 4, a: 2 }
    await eventually(() => membership.takeChanges().gained.length > 0)
    expect(told).toBe(before)
  })

  test('goes on looking while brokers are away', async () => {
    let away = false
    const { membership, asked } = membershipOf(() => {
      if (away) throw new OncesinkError('SOURCE_UNAVAILABLE', 'away')
      return { a: 1 }
    })
    await membership.start()
    away = true
    const looks = asked.length
    await eventually(() => asked.length > looks + 3)
    expect(membership.takeChanges()).toEqual({ gained: [], lost: [] })
  })

  test('says why when the topics cannot be described any more', async () => {
    let missing = false
    const { membership } = membershipOf(() => {
      if (missing) throw new OncesinkError('TOPIC_MISSING', 'gone')
      return { a: 1 }
    })
    await membership.start()
    let told = false
    membership.onChange(() => {
      told = true
    })
    missing = true
    await eventually(() => told)
    await eventually(() => {
      try {
        membership.takeChanges()
        return false
      } catch (error) {
        return error instanceof OncesinkError && error.code === 'TOPIC_MISSING'
      }
    })
  })

  test('looks no more once it has stopped, and begins anew when it is started again', async () => {
    const { membership, asked } = membershipOf(() => ({ a: 1 }))
    await membership.start()
    await membership.stop()
    const looks = asked.length
    await systemRuntime.clock.sleep(20)
    expect(asked.length).toBe(looks)
    expect(await membership.start()).toEqual([{ topic: 'a', partition: 0 }])
  })
})
