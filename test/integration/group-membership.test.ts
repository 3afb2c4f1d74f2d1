import { expect, onTestFinished, test } from 'vitest'
import { type TopicPartition, topicPartitionKey } from '../../src/model/topic-partition.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { GroupMembership } from '../../src/source/kafka/group/membership.ts'
import { createKafkaSource } from '../../src/source/kafka/kafka-source.ts'
import { type KafkaOptions, kafka } from '../../src/source/kafka/options.ts'
import { EventBus, type JobEvents } from '../../src/telemetry/events.ts'
import { eventually } from '../support/eventually.ts'
import { createTopic, kafkaService } from '../support/kafka-service.ts'
import { uniqueName } from '../support/unique.ts'

/** A member that takes its changes as a driver without anything in flight would. */
async function openMember(topics: readonly string[], group: string, options: Partial<KafkaOptions> = {}) {
  const plan = kafka({
    brokers: kafkaService().brokers,
    topics,
    assignment: 'group',
    heartbeatIntervalMs: 200,
    metadataRefreshMs: 200,
    ...options,
  })
  const [runtime, events] = [systemRuntime, new EventBus<JobEvents>()]
  const source = createKafkaSource(plan, { runtime, events, maxBufferedBytes: 1e6 })
  await source.open()
  const membership = new GroupMembership(plan, { job: group, group, source, runtime, events })
  const owned = new Map<string, TopicPartition>()
  const close = async () => {
    await membership.stop()
    await source.close()
  }
  onTestFinished(close)
  const take = () => {
    const { gained, lost } = membership.takeChanges()
    for (const tp of lost) owned.delete(topicPartitionKey(tp))
    for (const tp of gained) owned.set(topicPartitionKey(tp), tp)
  }
  membership.onChange(take)
  for (const tp of await membership.start()) owned.set(topicPartitionKey(tp), tp)
  return { membership, owned: () => [...owned.keys()].sort(), close }
}

test('members divide the partitions of a topic, also when they come and go', async () => {
  const group = uniqueName('group')
  const topic = await createTopic('group', { partitions: 6 })
  const a = await openMember([topic], group)
  expect(a.owned()).toHaveLength(6)
  const b = await openMember([topic], group)
  const c = await openMember([topic], group)
  const all = () => [a, b, c].map((member) => member.owned())
  await eventually(() => all().every((owned) => owned.length === 2))
  expect(all().flat().sort()).toHaveLength(6)
  await b.close()
  await eventually(() => a.owned().length === 3 && c.owned().length === 3)
}, 30_000)
