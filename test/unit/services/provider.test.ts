import { describe, expect, test } from 'vitest'
import {
  cannotStart,
  chooseProvider,
  databaseNames,
  kafkaName,
  postgresName,
} from '../../../src/services/provider.ts'

const noDocker = () => Promise.resolve(undefined)
const docker = () => Promise.resolve('unix:///var/run/docker.sock')
const neverAsked = () => Promise.reject(new Error('Docker was asked'))

describe('where a service comes from', () => {
  test('a URL in the environment comes before Docker, which is not even asked', async () => {
    const env = { ONCESINK_KAFKA_BROKERS: 'a:9092' }
    expect(await chooseProvider(kafkaName, env, neverAsked)).toBe('env')
  })

  test('the URL of one service says nothing about the other', async () => {
    expect(await chooseProvider(postgresName, { ONCESINK_KAFKA_BROKERS: 'a:9092' }, noDocker)).toBe('native')
  })

  test('a Docker engine that answers comes before native processes', async () => {
    expect(await chooseProvider(kafkaName, {}, docker)).toBe('docker')
    expect(await chooseProvider(kafkaName, {}, noDocker)).toBe('native')
  })

  test.each(['docker', 'native'])('ONCESINK_SERVICES=%s wins over everything', async (forced) => {
    const env = { ONCESINK_SERVICES: forced, ONCESINK_KAFKA_BROKERS: 'a:9092' }
    expect(await chooseProvider(kafkaName, env, neverAsked)).toBe(forced)
  })

  test('ONCESINK_SERVICES=env without the URL is refused, and says which variable', async () => {
    await expect(
      chooseProvider(postgresName, { ONCESINK_SERVICES: 'env' }, neverAsked),
    ).rejects.toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringContaining('ONCESINK_POSTGRES_URL is not set'),
    })
  })

  test('an unknown value of ONCESINK_SERVICES is refused', async () => {
    await expect(chooseProvider(kafkaName, { ONCESINK_SERVICES: 'podman' }, neverAsked)).rejects.toThrow(
      /'podman'.*env, docker, native/,
    )
  })
})

test('what is missing is said in one message with all three ways', () => {
  const { message } = cannotStart(kafkaName, 'mvn is missing')
  expect(message).toMatch(/mvn is missing/)
  expect(message).toMatch(/ONCESINK_KAFKA_BROKERS=/)
  expect(message).toMatch(/Docker engine/)
  expect(message).toMatch(/apt-get install default-jdk-headless maven/)
})

test.each(Object.entries(databaseNames))(
  'each database has a variable of its own: %s',
  async (engine, name) => {
    expect(name.variable).toBe(`ONCESINK_${engine.toUpperCase()}_URL`)
    expect(await chooseProvider(name, { [name.variable]: name.example }, neverAsked)).toBe('env')
  },
)
