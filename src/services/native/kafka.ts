import type { NativeKafka, NativeKafkaOptions } from '../service.ts'
import { freePort, retryOnTakenPort } from './free-ports.ts'
import { type KafkaProgram, kafkaProgram, kafkaVersion } from './kafka-download.ts'
import { createNode, newClusterId } from './kafka-node.ts'

/**
 * An Apache Kafka broker on this machine: one KRaft node that is its own controller, on free ports of 127.0.0.1, with
 * its data in a temporary directory. It ends with this process, however this process ends.
 * @throws OncesinkError CONFIGURATION_INVALID (Java or Maven missing), SOURCE_UNAVAILABLE (with the end of its log)
 */
export async function startNativeKafka(options: NativeKafkaOptions = {}): Promise<NativeKafka> {
  const program = await kafkaProgram(options.onProgress)
  options.onProgress?.(`Kafka ${kafkaVersion}: starting`)
  return retryOnTakenPort(() => startNode(program, options))
}

async function startNode(program: KafkaProgram, options: NativeKafkaOptions): Promise<NativeKafka> {
  const nodeId = 1
  const port = options.port ?? (await freePort())
  const ports = [port, await freePort([port])]
  const listeners = []
  for (const listener of options.listeners ?? []) {
    const own = await freePort(ports)
    ports.push(own)
    listeners.push({ ...listener, port: own })
  }
  const [broker, controller] = ports.map((taken) => `127.0.0.1:${taken}`) as [string, string]
  const node = await createNode(program, {
    nodeId,
    clusterId: newClusterId(),
    broker,
    controller,
    voters: `${nodeId}@${controller}`,
    listeners,
    ...(options.scramUsers && { scramUsers: options.scramUsers }),
    memory: options.memory ?? '512m',
    properties: options.properties ?? {},
  })
  try {
    await node.server.start()
  } catch (error) {
    await node.sandbox.remove()
    throw error
  }
  const { server } = node
  return {
    provider: 'native',
    version: kafkaVersion,
    brokers: [broker],
    listeners: Object.fromEntries(
      listeners.map(({ name, host, port: own }) => [name, `${host ?? '127.0.0.1'}:${own}`]),
    ),
    logFile: server.logFile,
    get pid() {
      return server.pid
    },
    kill: (signal) => server.kill(signal),
    restart: () => server.restart(),
    stop: () => node.sandbox.remove(),
  }
}
