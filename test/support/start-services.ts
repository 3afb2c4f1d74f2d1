import type { TestProject } from 'vitest/node'
import { startKafka, startPostgres } from '../../src/services/index.ts'

declare module 'vitest' {
  interface ProvidedContext {
    kafkaBrokers: string[]
    postgresUrl: string
  }
}

/** Global setup of the integration tests: one Kafka and one PostgreSQL for all files. Returns the teardown. */
export default async function startServices(project: TestProject): Promise<() => Promise<void>> {
  const onProgress = (message: string) => console.log(message)
  const starts = await Promise.allSettled([startKafka({ onProgress }), startPostgres({ onProgress })])
  const stop = async () => {
    await Promise.all(starts.map((start) => (start.status === 'fulfilled' ? start.value.stop() : undefined)))
  }
  const [kafka, postgres] = starts
  if (kafka.status === 'rejected' || postgres.status === 'rejected') {
    await stop()
    throw new Error(
      starts.flatMap((start) => (start.status === 'rejected' ? [messageOf(start.reason)] : [])).join('\n'),
    )
  }
  project.provide('kafkaBrokers', kafka.value.brokers)
  project.provide('postgresUrl', postgres.value.url)
  const { brokers, version, provider } = kafka.value
  console.log(`Kafka ${version} (${provider}) at ${brokers.join(',')}`)
  console.log(`PostgreSQL ${postgres.value.version} (${postgres.value.provider})`)
  return stop
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
