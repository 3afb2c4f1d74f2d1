import { inject } from 'vitest'
import { databaseNames, engines } from '../../src/services/index.ts'

// Programs that an integration test starts, and code that looks there, find the run's services in the environment.
process.env.ONCESINK_KAFKA_BROKERS = inject('kafkaBrokers').join(',')
for (const engine of engines) {
  const url = inject('databaseUrls')[engine]
  const { variable } = databaseNames[engine]
  if (url === undefined) delete process.env[variable]
  else process.env[variable] = url
}
delete process.env.ONCESINK_SERVICES
