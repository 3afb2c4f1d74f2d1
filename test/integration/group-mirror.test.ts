import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { kafkaProgram } from '../../src/services/native/kafka-download.ts'
import { EventBus } from '../../src/telemetry/events.ts'
import { createSource } from '../../src/wire.ts'
import { eventually } from '../support/eventually.ts'
import { kafkaAdmin } from '../support/kafka-admin.ts'
import { kafkaClient } from '../support/kafka-service.ts'
import { drain, observe, openBench } from '../support/running-job.ts'

/** What Kafka's own tool says of a group, line by line: the columns named. */
async function describeGroup(
  group: string,
  brokers: readonly string[],
  columns: readonly string[],
  flags: readonly string[] = [],
) {
  const { java, jars } = await kafkaProgram()
  const { stdout } = await promisify(execFile)(java.command, [
    '-cp',
    join(jars, '*'),
    'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
    '--bootstrap-server',
    brokers.join(','),
    '--describe',
    '--group',
    group,
    ...flags,
  ])
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
  const head = lines.find(([first]) => first === 'GROUP') ?? []
  return lines
    .filter(([first]) => first === group)
    .map((line) => columns.map((name) => line[head.indexOf(name)]))
    .sort()
}

const offsetColumns = ['TOPIC', 'PARTITION', 'CURRENT-OFFSET', 'LOG-END-OFFSET', 'LAG']

/** Removes the group at the end: nobody else does. */
async function forgetGroup(group: string): Promise<void> {
  const admin = await kafkaAdmin()
  onTestFinished(async () => {
    await admin.deleteGroups([group]).catch(() => undefined)
  })
}

test("Kafka's own tool shows the job's group with its members, its offsets and its lag; the end of the job is mirrored too", async () => {
  const bench = await openBench('mirrored')
  await forgetGroup(bench.name)
  const { running, heard } = await observe(bench.job())
  await bench.produce(20)
  await bench.untilCommitted()
  await eventually(() =>
    heard.offsetsMirrored.some(
      ({ error, offsets }) => error === null && offsets.every(({ offset }) => offset === 10n),
    ),
  )
  const columns = ['GROUP-INSTANCE-ID', 'CLIENT-ID', '#PARTITIONS', 'CURRENT-ASSIGNMENT']
  expect(await describeGroup(bench.name, bench.brokers, columns, ['--members', '--verbose'])).toEqual([
    [expect.stringMatching(`^${bench.name.slice(0, 50)}.*\\.0$`), 'oncesink', '2', `${bench.topic}:0,1`],
  ])
  await bench.produce(6)
  await bench.untilCommitted()
  await running.stop()
  await bench.produce(4)
  expect(await describeGroup(bench.name, bench.brokers, offsetColumns)).toEqual(
    [0, 1].map((partition) => [bench.topic, String(partition), '13', '15', '2']),
  )
  // A cluster that has never had a group makes its place for them first, and says so meanwhile.
  expect(heard.offsetsMirrored.at(-1)).toMatchObject({ group: bench.name, error: null, failures: 0 })
  expect(heard.warning).toEqual([])
})

test('what the group says decides nothing', async () => {
  const bench = await openBench('unread', { partitions: 1 })
  await forgetGroup(bench.name)
  await bench.produce(10)
  await drain(bench.job())
  const admin = await kafkaAdmin()
  await admin.setOffsets({
    groupId: bench.name,
    topic: bench.topic,
    partitions: [{ partition: 0, offset: '3' }],
  })
  await bench.produce(5)
  await drain(bench.job())
  expect(await bench.actual()).toEqual(bench.expected())
  const [topic] = await admin.fetchOffsets({ groupId: bench.name, topics: [bench.topic] })
  expect(topic?.partitions).toMatchObject([{ partition: 0, offset: '15' }])
})

test('the group may have another name, or there may be none', async () => {
  const bench = await openBench('named', { partitions: 1 })
  const group = `${bench.name}.other`
  await forgetGroup(group)
  await bench.produce(10)
  const mirrored = await drain(bench.job({ source: { group } }))
  expect(mirrored.heard.offsetsMirrored.at(-1)).toMatchObject({ group, error: null })
  const source = createSource(bench.job(), systemRuntime, new EventBus())
  onTestFinished(() => source.close())
  await source.open()
  const partitions = [{ topic: bench.topic, partition: 0 }]
  expect(await source.groupOffsets(group, partitions)).toEqual([10n])
  expect(await source.groupOffsets(bench.name, partitions)).toEqual([null])

  await bench.produce(10)
  const silent = await drain(bench.job({ source: { groupMirror: false } }))
  expect(silent.heard.offsetsMirrored).toEqual([])
  expect(await source.groupOffsets(group, partitions)).toEqual([10n])
})

test('where one process owns everything, a group that has consumers is left alone: warned of once with the cure, and the job goes on', async () => {
  const bench = await openBench('taken', { partitions: 1 })
  const consumer = kafkaClient().consumer({ groupId: bench.name })
  onTestFinished(() => consumer.disconnect())
  await consumer.connect()
  await consumer.subscribe({ topics: [bench.topic], fromBeginning: true })
  const joined = new Promise((resolve) => consumer.on('consumer.group_join', resolve))
  await consumer.run({ autoCommit: false, eachMessage: async () => {} })
  await joined
  const { heard } = await observe(bench.job({ source: { assignment: 'all' } }))
  await bench.produce(10)
  await bench.untilCommitted()
  await eventually(() => heard.offsetsMirrored.some(({ failures }) => failures >= 2))
  expect(heard.warning.map(({ message }) => message)).toEqual([
    expect.stringMatching(
      /^the job goes on, but its offsets are not mirrored to Kafka: .* consumers have joined it.*give kafka\(\{ group \}\) a name that nobody else uses, or switch the mirror off/,
    ),
  ])
  expect(await bench.actual()).toEqual(bench.expected())
})
