import { expect, test, vi } from 'vitest'
import { OncesinkError } from '../../../../src/errors.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { systemRuntime } from '../../../../src/runtime/runtime.ts'
import { Caretaker } from '../../../../src/source/kafka/caretaker.ts'
import { type ClusterState, ClusterView } from '../../../../src/source/kafka/cluster-view.ts'
import { createKafkaSource } from '../../../../src/source/kafka/kafka-source.ts'
import { kafka } from '../../../../src/source/kafka/options.ts'
import { EventBus } from '../../../../src/telemetry/events.ts'
import { topicId } from '../../../support/fake-leader.ts'

const there: ClusterState = {
  clusterId: 'c',
  missing: [],
  topics: new Map([['t', { errorCode: 0, topic: 't', topicId, isInternal: false, partitions: [] }]]),
}
const gone: ClusterState = { clusterId: 'c', missing: ['t'], topics: new Map() }

/** A source whose brokers know no topic until `knownFromMs`; time passes only while it sleeps. */
function sourceThatKnows(knownFromMs: number) {
  let now = 0
  const clock = {
    ...systemClock,
    monotonicMs: () => now,
    sleep: async (ms: number) => {
      now += ms
    },
  }
  vi.spyOn(ClusterView.prototype, 'refresh').mockImplementation(async () =>
    now < knownFromMs ? gone : there,
  )
  vi.spyOn(Caretaker.prototype, 'run').mockResolvedValue()
  const source = createKafkaSource(kafka({ brokers: ['localhost:1'], topics: ['t'] }), {
    runtime: { ...systemRuntime, clock },
    events: new EventBus(),
    maxBufferedBytes: 1e6,
  })
  return {
    source,
    elapsed: () => now,
    restart: (ms: number) => {
      now = 0
      knownFromMs = ms
    },
  }
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'no error',
    (error: unknown) => (error instanceof OncesinkError ? error.code : String(error)),
  )
}

test('a topic that brokers do not know for a moment is waited for: while running for 10 s', async () => {
  const { source, elapsed, restart } = sourceThatKnows(0)
  await source.open()
  restart(9_500)
  expect((await source.describe()).topics).toEqual([{ topic: 't', topicId, partitions: 0, byPattern: false }])
  restart(Number.POSITIVE_INFINITY)
  expect(await codeOf(source.describe())).toBe('TOPIC_MISSING')
  expect(elapsed()).toBeGreaterThan(10_000)
  expect(elapsed()).toBeLessThan(11_000)
  await source.close()
})

test('opening gives a topic that does not exist up after 2 s', async () => {
  const { source, elapsed, restart } = sourceThatKnows(Number.POSITIVE_INFINITY)
  expect(await codeOf(source.open())).toBe('TOPIC_MISSING')
  expect(elapsed()).toBeGreaterThan(2_000)
  expect(elapsed()).toBeLessThan(3_000)
  restart(1_500)
  expect(await codeOf(source.open())).toBe('no error')
  await source.close()
})
