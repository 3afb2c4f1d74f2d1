import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { asError, OncesinkError } from '../../errors.ts'
import type { KafkaOptions, NativeKafka } from '../service.ts'
import { freePort, retryOnTakenPort } from './free-ports.ts'
import { type KafkaProgram, kafkaProgram, kafkaVersion } from './kafka-download.ts'
import { kafkaProperties, propertiesFile } from './kafka-properties.ts'
import { Sandbox } from './sandbox.ts'
import { ServerProcess } from './server-process.ts'

const startTimeoutMs = 60_000

/**
 * Half the CPU time of a start goes into compiling; the simple compiler is enough for a broker of tests and demos
 * (measured on two cores: 1.7 s of CPU time for a start instead of 2.8 s).
 */
const quickStart = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Djava.awt.headless=true']

/**
 * An Apache Kafka broker on this machine: one KRaft node that is its own controller, on free ports of 127.0.0.1, with
 * its data in a temporary directory. It ends with this process, however this process ends.
 * @throws OncesinkError CONFIGURATION_INVALID (Java or Maven missing), SOURCE_UNAVAILABLE (with the end of its log)
 */
export async function startNativeKafka(options: KafkaOptions = {}): Promise<NativeKafka> {
  const program = await kafkaProgram(options.onProgress)
  options.onProgress?.(`Kafka ${kafkaVersion}: starting`)
  return retryOnTakenPort(() => startNode(program, options))
}

async function startNode(program: KafkaProgram, options: KafkaOptions): Promise<NativeKafka> {
  const port = options.port ?? (await freePort())
  const controllerPort = await freePort([port])
  const sandbox = await Sandbox.create({ name: 'kafka', stopSignal: 'KILL' })
  try {
    const node = { id: 1, broker: `127.0.0.1:${port}`, controller: `127.0.0.1:${controllerPort}` }
    const configFile = join(sandbox.dir, 'server.properties')
    const properties = kafkaProperties(
      {
        nodeId: node.id,
        listeners: `PLAINTEXT://${node.broker},CONTROLLER://${node.controller}`,
        advertisedListeners: `PLAINTEXT://${node.broker}`,
        voters: `${node.id}@${node.controller}`,
        dataDir: join(sandbox.dir, 'data'),
      },
      options.properties,
    )
    await writeFile(configFile, propertiesFile(properties))
    await format(program, configFile, newClusterId())
    const server = new ServerProcess(sandbox, {
      title: `Kafka ${kafkaVersion}`,
      command: program.java.command,
      args: [`-Xmx${options.memory ?? '512m'}`, ...javaArgs(program), 'kafka.Kafka', configFile],
      startTimeoutMs,
      failureCode: 'SOURCE_UNAVAILABLE',
      isReady: (_, log) => log.includes('Kafka Server started'),
    })
    await server.start()
    return {
      provider: 'native',
      version: kafkaVersion,
      brokers: [node.broker],
      logFile: server.logFile,
      get pid() {
        return server.pid
      },
      kill: (signal) => server.kill(signal),
      restart: () => server.restart(),
      stop: () => sandbox.remove(),
    }
  } catch (error) {
    await sandbox.remove()
    throw error
  }
}

/** Writes the empty log directories of a new cluster. */
async function format(program: KafkaProgram, configFile: string, clusterId: string): Promise<void> {
  const args = [...javaArgs(program), 'kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', configFile]
  try {
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
function newClusterId(): string {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0] ?? 0) & 0x7f
  return bytes.toString('base64url')
}
