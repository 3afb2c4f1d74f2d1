import { inject } from 'vitest'

// Programs that an integration test starts, and code that looks there, find the run's services in the environment.
process.env.ONCESINK_KAFKA_BROKERS = inject('kafkaBrokers').join(',')
process.env.ONCESINK_POSTGRES_URL = inject('postgresUrl')
delete process.env.ONCESINK_SERVICES
