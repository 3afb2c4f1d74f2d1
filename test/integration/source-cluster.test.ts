import type { ITopicMetadata } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { NativeKafkaCluster, NativeKafkaNode } from '../../src/services/index.ts'
import { eventually } from '../support/eventually.ts'
import { JavaClient } from '../support/java-client.ts'
import { kafkaAdmin } from '../support/kafka-admin.ts'
import {
  Collector,
  ends,
  never,
  openSecondReader,
  openSource,
  positionsAt,
  takeRecords,
} from '../support/kafka-reading.ts'
import { createTopic, kafkaClient, ownKafkaCluster } from '../support/kafka-service.ts'

let cluster: NativeKafkaCluster
let java: JavaClient
beforeAll(async () => {
  const [started, client] = await Promise.all([ownKafkaCluster(), JavaClient.start()])
  cluster = started
  java = client
  await java.consumer('all', {
    'bootstrap.servers': cluster.brokers.join(),
    'isolation.level': 'read_uncommitted',
  })
}, 240_000)
afterAll(() => java.stop())

const limits = { maxRecords: 500, maxWaitMs: 100, includeEmptyRanges: false, order: 'fair' } as const

function node(nodeId: number): NativeKafkaNode {
  const found = cluster.nodes.find((candidate) => candidate.nodeId === nodeId)
  if (found === undefined) throw new Error(`there is no node ${nodeId}`)
  return found
}

async function metadataOf(topic: string): Promise<ITopicMetadata> {
  const admin = kafkaClient(cluster.brokers).admin()
  await admin.connect()
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    if (topics[0] === undefined) throw new Error(`${topic} is unknown`)
    return topics[0]
  } finally {
    await admin.disconnect()
  }
}

/** Resolves with the leader of partition 0 when that is one of these nodes, and all replicas but `behind` follow. */
function leaderAmong(topic: string, nodes: readonly number[], behind = 0): Promise<number> {
  return eventually(async () => {
    const partition = (await metadataOf(topic)).partitions.find(({ partitionId }) => partitionId === 0)
    if (partition === undefined || !nodes.includes(partition.leader)) return null
    return partition.isr.length >= partition.replicas.length - behind ? partition.leader : null
  }, 90_000)
}

/**
 * Appends numbered records, one batch after another, until it is stopped. Some are lost in faults, some come twice, because
 * this client sends again what was not acknowledged: what is in the log is the truth.
 */
async function pourInto(topic: string, partitions: number) {
  // A broker that stands still is given up soon, and this client looks for another leader by time only.
  const producer = kafkaClient(cluster.brokers, { requestTimeout: 2_000, connectionTimeout: 1_000 }).producer(
    {
      retry: { retries: 2, initialRetryTime: 50 },
      metadataMaxAge: 1_000,
    },
  )
  await producer.connect()
  onTestFinished(() => producer.disconnect())
  let pouring = true
  let acknowledged = 0
  let n = 0
  const pour = (async () => {
    while (pouring) {
      const messages = Array.from({ length: 30 }, () => ({ partition: n % partitions, value: `v${n++}` }))
      try {
        await producer.send({ topic, messages, acks: -1, timeout: 2_000 })
        acknowledged += messages.length
      } catch {
        // The next batch tries another leader.
      }
    }
  })()
  return {
    /** Resolves when so many more have been acknowledged. */
    more: async (count: number) => {
      const enough = acknowledged + count
      await eventually(
        () => acknowledged >= enough || failed(`${acknowledged} of ${enough} acknowledged`),
        90_000,
      )
    },
    stop: async () => {
      pouring = false
      await pour
    },
  }
}

function failed(what: string): never {
  throw new Error(what)
}

describe('three brokers', () => {
  test('of which each is killed or stands still in turn, and whose leaders move: what is read is the log, each record once', async () => {
    const partitions = 3
    const replicas = [
      [1, 2, 3],
      [2, 3, 1],
      [3, 1, 2],
    ]
    const topic = await createTopic('faults', { brokers: cluster.brokers, replicas })
    const options = { brokers: cluster.brokers, requestTimeoutMs: 2_000, metadataRefreshMs: 1_000 }
    const { source, events } = await openSource([topic], {
      ...options,
      fetch: { maxBytesPerPartition: 4_096 },
    })
    const troubles: string[] = []
    events.on('retrying', ({ error }) => troubles.push(error.message))
    await source.seek(await positionsAt(source, 0n))
    const collector = new Collector()
    let reading = true
    const read = (async () => {
      while (reading) collector.add(await source.take(limits, never))
    })()
    // Seen by whoever waits for it below.
    read.catch(() => undefined)
    const readMore = async (count: number) => {
      const enough = collector.records.length + count
      const state = () => `${collector.records.length} of ${enough} read, last trouble: ${troubles.at(-1)}`
      await eventually(() => collector.records.length >= enough || failed(state()), 90_000)
    }
    const pour = await pourInto(topic, partitions)
    try {
      await pour.more(300)
      // One of the three is the active controller, each leads a partition.
      for (const { nodeId } of cluster.nodes) {
        await node(nodeId).kill('SIGKILL')
        await Promise.race([Promise.all([pour.more(300), readMore(300)]), read])
        await node(nodeId).restart()
        await leaderAmong(topic, [1, 2, 3])
      }
      const leader = await leaderAmong(topic, [1, 2, 3])
      await node(leader).kill('SIGSTOP')
      try {
        await Promise.race([Promise.all([pour.more(300), readMore(300)]), read])
      } finally {
        await node(leader).kill('SIGCONT')
      }
      // To where partition 0 is not led from now.
      const now = await leaderAmong(topic, [1, 2, 3])
      const others = [1, 2, 3].filter((id) => id !== now)
      const admin = await kafkaAdmin(cluster.brokers)
      await admin.alterPartitionReassignments({
        topics: [{ topic, partitionAssignment: [{ partition: 0, replicas: others }] }],
      })
      await leaderAmong(topic, others)
      await Promise.race([Promise.all([pour.more(300), readMore(300)]), read])
    } finally {
      await pour.stop()
    }
    const log = await Promise.all(
      Array.from({ length: partitions }, (_, partition) =>
        eventually(() => java.read('all', topic, partition, 0), 90_000),
      ),
    )
    const count = log.reduce((sum, lines) => sum + lines.length, 0)
    await Promise.race([eventually(() => collector.records.length >= count, 90_000), read])
    // Whatever would come twice has time to come.
    await new Promise((resolve) => setTimeout(resolve, 500))
    reading = false
    await read
    for (const [partition, lines] of log.entries()) {
      const expected = lines.map((line) => {
        const [offset, , , value = ''] = line.split('\t')
        return `${offset} ${Buffer.from(value, 'base64').toString()}`
      })
      const actual = collector.records.filter((record) => record.partition === partition)
      expect(actual.map(({ offset, value }) => `${offset} ${value}`)).toEqual(expected)
    }
    expect(troubles.length).toBeGreaterThan(3)
  }, 400_000)

  test('of which the leader is killed while the log is read again: nothing is left out and nothing comes twice', async () => {
    const replicas = [
      [1, 2, 3],
      [2, 3, 1],
    ]
    const topic = await createTopic('again_faults', { brokers: cluster.brokers, replicas })
    const pour = await pourInto(topic, 2)
    await pour.more(1_500)
    await pour.stop()
    const options = {
      brokers: cluster.brokers,
      requestTimeoutMs: 2_000,
      fetch: { maxBytesPerPartition: 4_096 },
    }
    // Room for one fetch, so that many are left when the leader goes.
    const log = await openSecondReader([topic], options, 1)
    const until = await ends(log)
    const collector = new Collector()
    await log.seek(await positionsAt(log, 0n))
    const take = async () =>
      collector.add(await log.take({ ...limits, includeEmptyRanges: true, maxRecords: 50, until }, never))
    const isOver = () =>
      collector.records.length >= [...until.values()].reduce((sum, end) => sum + Number(end), 0)
    await take()
    const leader = await leaderAmong(topic, [1, 2, 3])
    await node(leader).kill('SIGKILL')
    try {
      await eventually(async () => {
        await take()
        return isOver()
      }, 90_000)
    } finally {
      await node(leader).restart()
    }
    await leaderAmong(topic, [1, 2, 3])
    for (const partition of [0, 1]) {
      const expected = await eventually(() => java.read('all', topic, partition, 0), 90_000)
      const read = collector.records.filter((record) => record.partition === partition)
      expect(read.map(({ offset }) => String(offset))).toEqual(expected.map((line) => line.split('\t')[0]))
    }
  }, 400_000)

  test('of which one without the last records is made the leader: the reader halts and names what was read and is gone', async () => {
    const config = { 'unclean.leader.election.enable': 'true', 'min.insync.replicas': '1' }
    const topic = await createTopic('unclean', { brokers: cluster.brokers, replicas: [[3, 2]], config })
    const options = { brokers: cluster.brokers, requestTimeoutMs: 2_000, metadataRefreshMs: 1_000 }
    const append = async (count: number) => {
      const producer = kafkaClient(cluster.brokers).producer()
      await producer.connect()
      const messages = Array.from({ length: count }, (_, i) => ({ value: `v${i}` }))
      await eventually(() => producer.send({ topic, messages, acks: -1 }), 90_000)
      await producer.disconnect()
    }
    const logEnd = () => java.read('all', topic, 0, 0).then((lines) => lines.length)
    await leaderAmong(topic, [3])
    await append(10)
    await leaderAmong(topic, [3])
    await node(2).kill('SIGKILL')
    await leaderAmong(topic, [3], 1)
    await append(10)
    const { source } = await openSource([topic], options)
    const [start] = await positionsAt(source, 0n)
    if (start === undefined) throw new Error('no partition')
    await source.seek([start])
    const end = await logEnd()
    expect(end).toBeGreaterThanOrEqual(20)
    const { ranges } = await takeRecords(source, end, {}, 90_000)
    const position = { ...start, nextOffset: BigInt(end), leaderEpoch: ranges.at(-1)?.leaderEpoch ?? -1 }

    await node(3).kill('SIGKILL')
    await node(2).restart()
    await leaderAmong(topic, [2], 1)
    const truncated = {
      code: 'LOG_TRUNCATED',
      message: expect.stringContaining(`records [10, ${end}) of ${topic}/0 were read in leader epoch`),
    }
    // The reader that was there all the time, and one that comes now.
    await expect(takeRecords(source, 1, {}, 90_000)).rejects.toMatchObject(truncated)
    const later = await openSource([topic], options)
    await expect(later.source.seek([position])).rejects.toMatchObject(truncated)

    // There are records at the position again, and others before it than were read.
    await append(40)
    expect(await logEnd()).toBeGreaterThan(end)
    await expect(later.source.seek([position])).rejects.toMatchObject(truncated)
    await node(3).restart()
    await leaderAmong(topic, [2, 3])
    await expect(later.source.seek([position])).rejects.toMatchObject(truncated)
    // What both leaders had is read on from.
    await later.source.seek([{ ...position, nextOffset: 10n }])
    expect((await takeRecords(later.source, 40)).records[0]?.offset).toBe(10)
  }, 400_000)
})
