import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cannotStart, type ServiceName } from '../provider.ts'
import { onPath, whatItSaid } from './commands.ts'

/** How long Maven may take for all downloads. */
const downloadTimeoutMs = 10 * 60_000

/** Maven's command, or undefined. */
export function findMaven(env: NodeJS.ProcessEnv = process.env): string | undefined {
  return onPath('mvn', env)
}

/** A project of no code of its own, for its dependencies. */
export function dependenciesPom(artifactId: string, dependencies: string): string {
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>oncesink</groupId>
  <artifactId>${artifactId}</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
${dependencies}
  </dependencies>
  <build><plugins><plugin>
    <groupId>org.apache.maven.plugins</groupId><artifactId>maven-dependency-plugin</artifactId><version>3.8.1</version>
  </plugin></plugins></build>
</project>
`
}

/** A few characters that differ when the pom does: part of the name of what came of it. */
export function fingerprint(pom: string): string {
  return createHash('sha256').update(pom).digest('hex').slice(0, 8)
}

export interface MavenDownload {
  readonly service: ServiceName
  readonly maven: string
  readonly pom: string
  /** Goal of the dependency plugin that writes into `-DoutputDirectory`. */
  readonly goal: 'copy-dependencies' | 'unpack-dependencies'
  readonly args?: readonly string[]
  readonly env: NodeJS.ProcessEnv
}

/**
 * Has Maven fetch the dependencies of a pom.
 * @param folder an empty folder to work in
 * @returns the folder with what was fetched, inside of it
 * @throws OncesinkError CONFIGURATION_INVALID with what Maven said
 */
export async function downloadWithMaven(folder: string, download: MavenDownload): Promise<string> {
  const { service, maven, pom, goal, args = [], env } = download
  const file = join(folder, 'pom.xml')
  const output = join(folder, 'output')
  await writeFile(file, pom)
  const all = ['-q', '-B', '-f', file, `dependency:${goal}`, ...args, `-DoutputDirectory=${output}`]
  try {
    await promisify(execFile)(maven, all, { env, timeout: downloadTimeoutMs })
  } catch (error) {
    throw cannotStart(service, `its download with mvn failed:\n    ${whatItSaid(error)}`, error)
  }
  return output
}
