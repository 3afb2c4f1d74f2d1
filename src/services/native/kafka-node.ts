import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { asError, OncesinkError } from '../../errors.ts'
import type { KafkaListener, KafkaUser } from '../service.ts'
import { type KafkaProgram, kafkaVersion } from './kafka-download.ts'
import { kafkaProperties, type Properties, propertiesFile } from './kafka-properties.ts'
import { Sandbox } from './sandbox.ts'
import { ServerProcess } from './server-process.ts'

const startTimeoutMs = 60_000

/**
 * Half the CPU time of a start goes into compiling; the simple compiler is enough for a broker of tests and demos
 * (measured on two cores: 1.7 s of CPU time for a start instead of 2.8 s).
 */
const quickStart = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Djava.awt.headless=true']

export interface NodeSpec {
  readonly nodeId: number
  readonly clusterId: string
  /** `host:port` of the plain listener, and of the controller's. */
  readonly broker: string
  readonly controller: string
  /** `id@host:port` of every controller, separated by commas. */
  readonly voters: string
  /** Other listeners, each with the port of 127.0.0.1 that it listens on. */
  readonly listeners?: readonly (KafkaListener & { readonly port: number })[]
  readonly scramUsers?: readonly KafkaUser[]
  /** Upper bound of the heap, as for `java -Xmx`. */
  readonly memory: string
  readonly properties: Properties
}

/** A node whose data directory is made and empty. */
export interface KafkaNode {
  readonly server: ServerProcess
  readonly sandbox: Sandbox
}

/**
 * Makes the data directory of a KRaft node that is broker and controller; it does not run yet.
 * @throws OncesinkError SOURCE_UNAVAILABLE (with what the format tool said)
 */
export async function createNode(program: KafkaProgram, spec: NodeSpec): Promise<KafkaNode> {
  const sandbox = await Sandbox.create({ name: 'kafka', stopSignal: 'KILL' })
  try {
    const configFile = join(sandbox.dir, 'server.properties')
    await writeFile(configFile, propertiesFile(nodeProperties(spec, join(sandbox.dir, 'data'))))
    await format(program, configFile, spec)
    const server = new ServerProcess(sandbox, {
      title: `Kafka ${kafkaVersion}`,
      command: program.java.command,
      args: [`-Xmx${spec.memory}`, ...javaArgs(program), 'kafka.Kafka', configFile],
      startTimeoutMs,
      failureCode: 'SOURCE_UNAVAILABLE',
      isReady: (_, log) => log.includes('Kafka Server started'),
    })
    return { server, sandbox }
  } catch (error) {
    await sandbox.remove()
    throw error
  }
}

function nodeProperties(spec: NodeSpec, dataDir: string): Properties {
  const { nodeId, broker, controller, voters, listeners = [] } = spec
  const plain = `PLAINTEXT://${broker}`
  const named = (host: (listener: KafkaListener) => string) =>
    listeners.map((listener) => `${listener.name}://${host(listener)}:${listener.port}`)
  const address = {
    nodeId,
    voters,
    dataDir,
    listeners: [plain, `CONTROLLER://${controller}`, ...named(() => '127.0.0.1')].join(),
    advertisedListeners: [plain, ...named(({ host }) => host ?? '127.0.0.1')].join(),
    protocols: listeners.map(({ name, protocol }) => `${name}:${protocol}`),
  }
  const ofListeners = listeners.flatMap(({ name, properties = {} }) =>
    Object.entries(properties).map(([key, value]) => [`listener.name.${name.toLowerCase()}.${key}`, value]),
  )
  return kafkaProperties(address, { ...Object.fromEntries(ofListeners), ...spec.properties })
}

/** Writes the empty log directories of a new cluster. */
async function format(program: KafkaProgram, configFile: string, spec: NodeSpec): Promise<void> {
  const users = (spec.scramUsers ?? []).flatMap(({ name, password }) =>
    ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
      '--add-scram',
      `${mechanism}=[name=${name},password=${password}]`,
    ]),
  )
  const tool = ['kafka.tools.StorageTool', 'format', '-t', spec.clusterId, '-c', configFile, ...users]
  try {
    const args = [...javaArgs(program), ...tool]
    await promisify(execFile)(program.java.command, args, { timeout: startTimeoutMs })
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    const said = `${stdout}${stderr}`.trim() || asError(error).message
    throw new OncesinkError(
      'SOURCE_UNAVAILABLE',
      `Kafka ${kafkaVersion} cannot format its data directory; mend what it says (an extra property?):\n${said}`,
      { cause: error },
    )
  }
}

function javaArgs(program: KafkaProgram): string[] {
  return [...quickStart, '-cp', join(program.jars, '*')]
}

/** 16 random bytes in Kafka's base64; it must not begin with a dash, where a command line would see an option. */
export function newClusterId(): string {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0] ?? 0) & 0x7f
  return bytes.toString('base64url')
}
