import { describe, expect, test } from 'vitest'
import { kafka } from '../../../../src/source/kafka/options.ts'
import { covers, selectedPartitions, subscribes } from '../../../../src/source/kafka/subscription.ts'

const brokers = ['localhost:9092']
const topic = (name: string, isInternal = false) => ({
  topic: name,
  topicId: 'id',
  errorCode: 0,
  isInternal,
  partitions: [],
})

describe('a subscription by pattern', () => {
  test('matches anywhere in the name unless the pattern is anchored', () => {
    const anywhere = kafka({ brokers, topicPattern: /orders/ })
    const anchored = kafka({ brokers, topicPattern: /^orders-[a-z]+$/ })
    const names = ['orders-eu', 'old-orders-eu', 'orders-eu.dlq', 'payments']
    expect(names.filter((name) => covers(anywhere, name))).toEqual(names.slice(0, 3))
    expect(names.filter((name) => covers(anchored, name))).toEqual(['orders-eu'])
  })

  test('answers the same however often it is asked', () => {
    const plan = kafka({ brokers, topicPattern: /o/u })
    expect([1, 2, 3].map(() => covers(plan, 'orders'))).toEqual([true, true, true])
  })

  test("never takes in Kafka's internal topics", () => {
    const plan = kafka({ brokers, topicPattern: /./ })
    expect(subscribes(plan, topic('__consumer_offsets', true))).toBe(false)
    expect(subscribes(plan, topic('__mine'))).toBe(true)
  })
})

test('an internal topic is read where its name says so', () => {
  const plan = kafka({ brokers, topics: ['__consumer_offsets'] })
  expect(subscribes(plan, topic('__consumer_offsets', true))).toBe(true)
  expect(subscribes(plan, topic('other'))).toBe(false)
})

test('a topic without selected partitions is read whole, whatever its name', () => {
  const plan = kafka({ brokers, topicPattern: /./, partitions: { orders: [1] } })
  expect(selectedPartitions(plan, 'orders')).toEqual([1])
  expect(selectedPartitions(plan, 'constructor')).toBeUndefined()
})
