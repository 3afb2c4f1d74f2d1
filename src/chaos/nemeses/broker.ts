import { readFile } from 'node:fs/promises'
import type { NativeKafkaNode } from '../../services/index.ts'
import type { Nemesis } from '../nemesis.ts'
import { kafkaClient } from '../stream.ts'
import type { World } from '../world.ts'
import { pause, until } from './wait.ts'

const unfit = ({ kafka }: World) =>
  kafka.cluster === null ? 'there is one broker only, or it is not one that the run has started' : null

export const brokerKill: Nemesis = {
  name: 'broker-kill',
  title: 'SIGKILL of one of three brokers, and its restart',
  realm: 'broker',
  unfit,
  async inject(world, random) {
    const nodes = world.kafka.cluster?.nodes ?? []
    const node = nodes[random.integer(0, nodes.length - 1)]
    if (!node) return
    await killFor(world, node, random.integer(500, 5_000), 'broker-kill', `SIGKILL of broker ${node.nodeId}`)
  },
  heal: reviveAll,
}

/** The node that leads the metadata quorum: without it no leader is chosen and no topic is changed. */
export const controllerLoss: Nemesis = {
  name: 'controller-loss',
  title: 'SIGKILL of the active controller, and its restart',
  realm: 'broker',
  unfit,
  async inject(world, random) {
    const node = await activeController(world)
    if (!node) return
    const detail = `SIGKILL of node ${node.nodeId}, the active controller`
    await killFor(world, node, random.integer(500, 4_000), 'controller-loss', detail)
  },
  heal: reviveAll,
}

const down = new WeakMap<World, Set<NativeKafkaNode>>()

async function killFor(
  world: World,
  node: NativeKafkaNode,
  awayMs: number,
  nemesis: string,
  detail: string,
): Promise<void> {
  const dead = down.get(world) ?? new Set()
  down.set(world, dead.add(node))
  await node.kill()
  world.history.fault(nemesis, `${detail} for ${(awayMs / 1_000).toFixed(1)} s`)
  await pause(world, awayMs)
}

async function reviveAll(world: World): Promise<void> {
  for (const node of down.get(world) ?? []) await node.restart()
  down.get(world)?.clear()
}

/** Each node says in its log when it becomes the active controller, with an epoch that only rises. */
async function activeController({ kafka }: World): Promise<NativeKafkaNode | null> {
  let newest: { readonly node: NativeKafkaNode; readonly epoch: number } | null = null
  for (const node of kafka.cluster?.nodes ?? []) {
    const log = await readFile(node.logFile, 'utf8')
    for (const [, text] of log.matchAll(/Becoming the active controller at epoch (\d+)/g)) {
      const epoch = Number(text)
      if (newest === null || epoch > newest.epoch) newest = { node, epoch }
    }
  }
  return newest?.node ?? null
}

/** A partition's leader is taken out of its replicas, so that another one leads, and comes back as a follower. */
export const leaderMove: Nemesis = {
  name: 'leader-move',
  title: 'the leader of a partition moves to another broker',
  realm: 'broker',
  unfit,
  async inject(world, random) {
    const [topic] = world.stream.topics
    if (topic === undefined) return
    const admin = kafkaClient(world.kafka.brokers).admin()
    await admin.connect()
    try {
      const partitions = async () =>
        (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]?.partitions ?? []
      const all = await partitions()
      const chosen = all[random.integer(0, all.length - 1)]
      if (!chosen) return
      const { partitionId: partition, leader, replicas } = chosen
      const assign = (to: number[]) =>
        admin.alterPartitionReassignments({
          topics: [{ topic, partitionAssignment: [{ partition, replicas: to }] }],
          timeout: 8_000,
        })
      const others = replicas.filter((id) => id !== leader)
      await assign(others)
      const moved = async () => {
        const now = (await partitions()).find(({ partitionId }) => partitionId === partition)
        return now !== undefined && now.leader !== leader && now.leader >= 0
      }
      if (await until(world, moved, 8_000)) {
        world.history.fault('leader-move', `broker ${leader} no longer leads ${topic}/${partition}`)
      }
      await assign([...others, leader])
      await pause(world, random.integer(200, 1_000))
    } finally {
      await admin.disconnect()
    }
  },
}
