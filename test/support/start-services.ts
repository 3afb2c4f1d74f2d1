import type { TestProject } from 'vitest/node'
import { databaseNames, type Engine, startDatabase, startKafka } from '../../src/services/index.ts'
import { chosenEngines } from './chosen-engines.ts'

declare module 'vitest' {
  interface ProvidedContext {
    kafkaBrokers: string[]
    /** Of the databases that this run has. */
    databaseUrls: Partial<Record<Engine, string>>
  }
}

/** Global setup of the integration tests: one Kafka and one server of each database for all files. Returns the teardown. */
export default async function startServices(project: TestProject): Promise<() => Promise<void>> {
  const onProgress = (message: string) => console.log(message)
  const engines = chosenEngines()
  const starts = await Promise.allSettled([
    startKafka({ onProgress }),
    ...engines.map((engine) => startDatabase(engine, { onProgress })),
  ])
  const started = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []))
  const stop = async () => {
    await Promise.all(started.map((service) => service.stop()))
  }
  const failures = starts.flatMap((start) => (start.status === 'rejected' ? [messageOf(start.reason)] : []))
  if (failures.length > 0) {
    await stop()
    throw new Error(
      `${failures.join('\n')}\nONCESINK_ENGINES=postgres runs the tests without MySQL and MariaDB, and says so.`,
    )
  }
  const urls: Partial<Record<Engine, string>> = {}
  for (const service of started) {
    const { provider, version } = service
    if ('brokers' in service) {
      project.provide('kafkaBrokers', service.brokers)
      console.log(`Kafka ${version} (${provider}) at ${service.brokers.join(',')}`)
    } else {
      urls[service.engine] = service.url
      console.log(`${databaseNames[service.engine].title} ${version} (${provider})`)
    }
  }
  project.provide('databaseUrls', urls)
  return stop
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
