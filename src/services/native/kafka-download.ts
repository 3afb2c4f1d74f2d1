import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cannotStart, kafkaName } from '../provider.ts'
import { findJava, findMaven, type Java, oldestJava } from './java.ts'

export const kafkaVersion = '4.1.0'

/** How long Maven may take for all downloads. */
const downloadTimeoutMs = 10 * 60_000
/** A half download that old belongs to nobody any more. */
const abandonedAfterMs = 60 * 60_000

/** Kafka Connect, with its web server, comes along with the tools and is a fifth of the download. */
const unused = ['connect-api', 'connect-json', 'connect-runtime', 'connect-transforms']

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>oncesink</groupId>
  <artifactId>kafka-broker</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${kafkaVersion}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>${kafkaVersion}</version>
      <exclusions>
${unused.map((id) => `        <exclusion><groupId>org.apache.kafka</groupId><artifactId>${id}</artifactId></exclusion>`).join('\n')}
      </exclusions>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version>
    </dependency>
  </dependencies>
  <build><plugins><plugin>
    <groupId>org.apache.maven.plugins</groupId><artifactId>maven-dependency-plugin</artifactId><version>3.8.1</version>
  </plugin></plugins></build>
</project>
`

/** Java, and the folder with the jars of a Kafka broker. */
export interface KafkaProgram {
  readonly java: Java
  readonly jars: string
}

/**
 * The broker's program: jars come through Maven, once per user, into the cache folder.
 * The folder is complete or absent: it is filled under another name and renamed, so that a killed download and two
 * downloads at once do no harm.
 * @throws OncesinkError CONFIGURATION_INVALID
 */
export async function kafkaProgram(
  onProgress?: (message: string) => void,
  env: NodeJS.ProcessEnv = process.env,
): Promise<KafkaProgram> {
  const cache = join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'oncesink')
  const jars = join(
    cache,
    `kafka-${kafkaVersion}-${createHash('sha256').update(pom).digest('hex').slice(0, 8)}`,
  )
  const java = await findJava(env)
  const maven = findMaven(env)
  const present = existsSync(jars)
  if (!java) {
    throw cannotStart(
      kafkaName,
      `java is missing${maven ? ' (mvn is there)' : present ? '' : ', and so is mvn'}`,
    )
  }
  if (java.major < oldestJava) {
    throw cannotStart(kafkaName, `${java.command} is Java ${java.major}, too old for Kafka ${kafkaVersion}`)
  }
  if (!present) {
    if (!maven) throw cannotStart(kafkaName, `mvn is missing (java ${java.major} is there)`)
    onProgress?.(`Kafka ${kafkaVersion}: downloading it once with Maven (44 MB) to ${jars}`)
    await mkdir(cache, { recursive: true })
    await removeAbandoned(cache)
    await download(maven, cache, jars, env)
  }
  return { java, jars }
}

async function download(maven: string, cache: string, jars: string, env: NodeJS.ProcessEnv): Promise<void> {
  const partial = await mkdtemp(join(cache, 'partial-'))
  try {
    const file = join(partial, 'pom.xml')
    const output = join(partial, 'jars')
    await writeFile(file, pom)
    const args = ['-q', '-B', '-f', file, 'dependency:copy-dependencies']
    await promisify(execFile)(maven, [...args, '-DincludeScope=runtime', `-DoutputDirectory=${output}`], {
      env,
      timeout: downloadTimeoutMs,
    })
    try {
      await rename(output, jars)
    } catch (error) {
      // Another process was quicker: its folder is as good as ours.
      if (!existsSync(jars)) throw error
    }
  } catch (error) {
    const {
      stdout = '',
      stderr = '',
      message,
    } = error as { stdout?: string; stderr?: string; message: string }
    const said = `${stdout}${stderr}`.trim().split('\n').slice(0, 5).join('\n    ') || message
    throw cannotStart(kafkaName, `its download with mvn failed:\n    ${said}`, error)
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
}

async function removeAbandoned(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    if (!name.startsWith('partial-')) continue
    const path = join(cache, name)
    const changed = await stat(path).catch(() => undefined) // another process may be removing it too
    if (changed && Date.now() - changed.mtimeMs > abandonedAfterMs) {
      await rm(path, { recursive: true, force: true })
    }
  }
}
