import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { executable, onPath } from './commands.ts'

/** The oldest Java that Kafka 4 brokers run on. */
export const oldestJava = 17

export interface Java {
  readonly command: string
  /** Feature release: 17, 21 ... */
  readonly major: number
}

/** The Java of JAVA_HOME, else of the PATH; undefined where none runs. */
export async function findJava(env: NodeJS.ProcessEnv = process.env): Promise<Java | undefined> {
  const home = env.JAVA_HOME
  const command = (home ? executable(join(home, 'bin', 'java')) : undefined) ?? onPath('java', env)
  if (!command) return undefined
  try {
    const { stderr, stdout } = await promisify(execFile)(command, ['-version'], { env })
    const version = /version "(\d+)(?:\.(\d+))?/.exec(stderr + stdout)
    // Up to Java 8 the feature release came second: 1.8.
    return { command, major: Number(version?.[1] === '1' ? version[2] : version?.[1]) || 0 }
  } catch {
    return undefined // what is called java but does not run, such as the stub of macOS
  }
}
