import { existsSync } from 'node:fs'
import { cannotStart, kafkaName } from '../provider.ts'
import { findJava, type Java, oldestJava } from './java.ts'
import { dependenciesPom, downloadWithMaven, findMaven, fingerprint } from './maven.ts'
import { cachedFolder, fillOnce } from './program-cache.ts'

export const kafkaVersion = '4.1.0'

/** Kafka Connect, with its web server, comes along with the tools and is a fifth of the download. */
const unused = ['connect-api', 'connect-json', 'connect-runtime', 'connect-transforms']

const pom = dependenciesPom(
  'kafka-broker',
  `    <dependency>
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
    </dependency>`,
)

/** Java, and the folder with the jars of a Kafka broker. */
export interface KafkaProgram {
  readonly java: Java
  readonly jars: string
}

/**
 * The broker's program: jars come through Maven, once per user, into the cache folder.
 * @throws OncesinkError CONFIGURATION_INVALID
 */
export async function kafkaProgram(
  onProgress?: (message: string) => void,
  env: NodeJS.ProcessEnv = process.env,
): Promise<KafkaProgram> {
  const jars = cachedFolder(`kafka-${kafkaVersion}-${fingerprint(pom)}`, env)
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
    await fillOnce(jars, (partial) =>
      downloadWithMaven(partial, {
        service: kafkaName,
        maven,
        pom,
        goal: 'copy-dependencies',
        args: ['-DincludeScope=runtime'],
        env,
      }),
    )
  }
  return { java, jars }
}
