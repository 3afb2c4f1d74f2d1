import { expect, test } from 'vitest'
import {
  containerEnvironment,
  kafkaProperties,
  propertiesFile,
} from '../../../../src/services/native/kafka-properties.ts'

const address = {
  nodeId: 2,
  listeners: 'PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2',
  advertisedListeners: 'PLAINTEXT://127.0.0.1:1',
  voters: '1@127.0.0.1:3,2@127.0.0.1:2',
  dataDir: '/data',
}

test("a node has its own id, address and data directory, and the caller's properties win", () => {
  const properties = kafkaProperties(address, { 'auto.create.topics.enable': 'true', 'num.partitions': '3' })
  expect(properties).toMatchObject({
    'node.id': '2',
    'controller.quorum.voters': '1@127.0.0.1:3,2@127.0.0.1:2',
    'log.dirs': '/data',
    'auto.create.topics.enable': 'true',
    'num.partitions': '3',
  })
})

test('each listener has its protocol, the controllers among them', () => {
  const map = (protocols: string[]) =>
    kafkaProperties({ ...address, protocols })['listener.security.protocol.map']
  expect(map([])).toBe('PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT')
  expect(map(['TLS:SSL'])).toBe('PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,TLS:SSL')
})

test('topics are not created behind our back unless asked for', () => {
  expect(kafkaProperties(address)['auto.create.topics.enable']).toBe('false')
})

test('backslashes survive a properties file', () => {
  expect(propertiesFile({ 'log.dirs': 'C:\\data' })).toBe('log.dirs=C:\\\\data\n')
})

test('a property becomes a variable of the container image', () => {
  expect(containerEnvironment({ 'log.retention.ms': '1', 'a_b-c': '2' })).toEqual({
    KAFKA_LOG_RETENTION_MS: '1',
    KAFKA_A__B___C: '2',
  })
})
