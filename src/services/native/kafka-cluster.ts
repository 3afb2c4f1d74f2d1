import type { KafkaClusterOptions, NativeKafkaCluster, NativeKafkaNode } from '../service.ts'
import { freePort, retryOnTakenPort } from './free-ports.ts'
import { type KafkaProgram, kafkaProgram, kafkaVersion } from './kafka-download.ts'
import { createNode, type KafkaNode, newClusterId } from './kafka-node.ts'
import { replicated } from './kafka-properties.ts'

/**
 * Several Apache Kafka nodes on this machine, each broker and controller in a process of its own that can be killed,
 * stopped and started again; what the brokers keep for themselves is on three of them. All end with this process.
 * @throws OncesinkError CONFIGURATION_INVALID (Java or Maven missing), SOURCE_UNAVAILABLE (with the end of its log)
 */
export async function startNativeKafkaCluster(
  options: KafkaClusterOptions = {},
): Promise<NativeKafkaCluster> {
  const program = await kafkaProgram(options.onProgress)
  options.onProgress?.(`Kafka ${kafkaVersion}: starting ${options.nodes ?? 3} nodes`)
  return retryOnTakenPort(() => startNodes(program, options))
}

async function startNodes(program: KafkaProgram, options: KafkaClusterOptions): Promise<NativeKafkaCluster> {
  const clusterId = newClusterId()
  const ports: number[] = []
  const address = async () => {
    const port = await freePort(ports)
    ports.push(port)
    return `127.0.0.1:${port}`
  }
  const members = []
  for (let nodeId = 1; nodeId <= (options.nodes ?? 3); nodeId++) {
    members.push({ nodeId, broker: await address(), controller: await address() })
  }
  const voters = members.map(({ nodeId, controller }) => `${nodeId}@${controller}`).join()
  const memory = options.memory ?? '256m'
  const properties = { ...(members.length >= 3 && replicated), ...options.properties }
  const created = await Promise.allSettled(
    members.map((member) => createNode(program, { ...member, clusterId, voters, memory, properties })),
  )
  const nodes = created.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  const stop = async () => {
    await Promise.all(nodes.map(({ sandbox }) => sandbox.remove()))
  }
  try {
    for (const outcome of created) if (outcome.status === 'rejected') throw outcome.reason
    // Together: a node serves when most of them are there.
    await Promise.all(nodes.map(({ server }) => server.start()))
  } catch (error) {
    await stop()
    throw error
  }
  return {
    provider: 'native',
    version: kafkaVersion,
    brokers: members.map(({ broker }) => broker),
    nodes: members.flatMap(({ nodeId, broker }, i) => {
      const node = nodes[i]
      return node === undefined ? [] : [controlOf(node, nodeId, broker)]
    }),
    stop,
  }
}

function controlOf({ server }: KafkaNode, nodeId: number, address: string): NativeKafkaNode {
  return {
    provider: 'native',
    nodeId,
    address,
    logFile: server.logFile,
    get pid() {
      return server.pid
    },
    kill: (signal) => server.kill(signal),
    restart: () => server.restart(),
  }
}
