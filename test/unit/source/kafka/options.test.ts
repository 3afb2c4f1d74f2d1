import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { OncesinkError } from '../../../../src/errors.ts'
import { type KafkaOptions, kafka } from '../../../../src/source/kafka/options.ts'
import { revealed } from '../../../../src/source/kafka/security.ts'

const least: KafkaOptions = { brokers: ['localhost:9092'], topics: ['orders'] }

const pattern = (topicPattern: unknown) => ({ brokers: least.brokers, topicPattern })
const partitions = (orders: unknown) => ({ ...least, partitions: { orders } })

function messageOf(options: unknown): string {
  try {
    kafka(options as KafkaOptions)
  } catch (error) {
    if (error instanceof OncesinkError && error.code === 'CONFIGURATION_INVALID') return error.message
    throw error
  }
  return 'accepted'
}

describe('kafka()', () => {
  test('resolves every option that is not given to its default', () => {
    expect(kafka(least)).toEqual({
      kind: 'kafka',
      brokers: ['localhost:9092'],
      topics: ['orders'],
      topicPattern: null,
      partitions: {},
      startFrom: 'earliest',
      isolation: 'read_committed',
      assignment: 'group',
      member: null,
      sessionTimeoutMs: 10_000,
      heartbeatIntervalMs: 1_000,
      rebalanceTimeoutMs: 30_000,
      group: null,
      groupMirror: true,
      clientId: 'oncesink',
      ssl: undefined,
      sasl: undefined,
      connectionTimeoutMs: 5000,
      requestTimeoutMs: 10_000,
      metadataRefreshMs: 30_000,
      fetch: { maxWaitMs: 500, minBytes: 1, maxBytesPerPartition: 1_048_576, maxBytes: 16_777_216 },
    })
  })

  test('keeps what is given, and is frozen all the way', () => {
    const options: KafkaOptions = {
      ...least,
      brokers: ['a.example:1', '[::1]:65535'],
      startFrom: { offsets: { orders: { 0: 5n, 2: 0n } } },
      isolation: 'read_uncommitted',
      ssl: { rejectUnauthorized: false },
      sasl: { mechanism: 'plain', username: 'u', password: 'p' },
      fetch: { maxWaitMs: 50, maxBytesPerPartition: 2048, maxBytes: 4096 },
    }
    const plan = kafka(options)
    expect(plan).toMatchObject({ ...options, fetch: { minBytes: 1, maxBytes: 4096 } })
    const { brokers, topics, startFrom, fetch, ssl, sasl } = plan
    for (const part of [plan, brokers, topics, startFrom, fetch, ssl, sasl])
      expect(Object.isFrozen(part)).toBe(true)
  })

  test('a pattern and partitions are kept as they were, whatever becomes of the objects given', () => {
    const topicPattern = /^orders-/i
    const wanted = { 'orders-eu': [2, 0] }
    const plan = kafka({ brokers: ['b:1'], topicPattern, partitions: wanted })
    topicPattern.compile('other')
    wanted['orders-eu'].push(1)
    expect(plan).toMatchObject({ topics: [], partitions: { 'orders-eu': [0, 2] } })
    expect(plan.topicPattern).toEqual(/^orders-/i)
  })

  test('a start timestamp is kept as text, whatever becomes of the Date', () => {
    const timestamp = new Date('2026-01-31T12:00:00.250Z')
    const { startFrom } = kafka({ ...least, startFrom: { timestamp } })
    timestamp.setTime(0)
    expect(startFrom).toEqual({ timestamp: '2026-01-31T12:00:00.250Z' })
    expect(kafka({ ...least, startFrom: { timestamp: '2026-01-31T13:00:00+01:00' } }).startFrom).toEqual({
      timestamp: '2026-01-31T12:00:00.000Z',
    })
  })

  test.each<[string, unknown, RegExp]>([
    ...['soon', '2026-01-31T12:00:00', '1969-12-31T23:59:59Z', 5, new Date(Number.NaN), undefined].map(
      (timestamp): [string, unknown, RegExp] => [
        `the start timestamp ${String(timestamp)}`,
        { ...least, startFrom: { timestamp } },
        /startFrom.timestamp must be a Date or an ISO 8601 string/,
      ],
    ),
    [
      'a start with a timestamp and offsets',
      { ...least, startFrom: { timestamp: new Date(), offsets: {} } },
      /option startFrom must be/,
    ],
    ['nothing', undefined, /its argument must be an object/],
    ['no brokers', { topics: ['t'] }, /option brokers must be a non-empty array; it is missing/],
    ['empty brokers', { ...least, brokers: [] }, /option brokers must be a non-empty array/],
    [
      'a broker without port',
      { ...least, brokers: ['localhost'] },
      /brokers .*"localhost:9092"; .*"localhost"/,
    ],
    ['a port that is none', { ...least, brokers: ['localhost:65536'] }, /option brokers/],
    ['a broker as URL', { ...least, brokers: ['kafka://localhost:9092'] }, /option brokers/],
    ['an impossible topic', { ...least, topics: ['a b'] }, /option topics must be topic names.*"a b"/],
    ['a topic named twice', { ...least, topics: ['a', 'a'] }, /topics names a topic twice/],
    [
      'names and a pattern',
      { ...least, topicPattern: /./ },
      /topicPattern excludes topics: give one of them/,
    ],
    ['an empty group', { ...least, group: '' }, /group must be a non-empty string/],
    ['a mirror that is no yes or no', { ...least, groupMirror: 'yes' }, /groupMirror must be true or false/],
    [
      'a group without a mirror',
      { ...least, assignment: 'all', group: 'g', groupMirror: false },
      /group names a consumer group, but with assignment: 'all' and groupMirror: false nothing is done with it/,
    ],
    ['neither names nor a pattern', { brokers: least.brokers }, /topics or topicPattern is needed/],
    ['a pattern as text', pattern('^orders-'), /topicPattern must be a RegExp, like \/\^orders-\//],
    ['a global pattern', pattern(/o/g), /topicPattern \/o\/g must not have the flag g or y.*remove it/],
    ['a sticky pattern', pattern(/o/y), /topicPattern \/o\/y must not have the flag g or y/],
    [
      'a start of a topic that the pattern does not match',
      { ...pattern(/^o/), startFrom: { offsets: { p: { 0: 1n } } } },
      /startFrom.offsets names "p", which topicPattern \/\^o\/ does not match; correct one of them/,
    ],
    [
      'partitions of a topic that the pattern does not match',
      { ...pattern(/^o/), partitions: { p: [0] } },
      /partitions names "p", which topicPattern/,
    ],
    [
      'partitions of a topic that is not read',
      { ...least, partitions: { p: [0] } },
      /partitions names "p", which is not in topics; add it there/,
    ],
    ['partitions as a list', { ...least, partitions: [0] }, /partitions must be partition numbers by topic/],
    ['no partitions', partitions([]), /partitions.orders must be a non-empty array .*leave the topic out/],
    [
      'a partition as text',
      partitions(['0']),
      /partitions.orders must hold partition numbers from 0; .* is 0/,
    ],
    ['a negative partition', partitions([-1]), /partitions.orders must hold partition numbers .* is -1/],
    ['a partition named twice', partitions([1, 1]), /partitions.orders names a partition twice/],
    [
      'a start of a partition that is not read',
      { ...partitions([0, 2]), startFrom: { offsets: { orders: { 1: 5n } } } },
      /startFrom.offsets.orders names partition 1, which partitions.orders leaves out; correct one of them/,
    ],
    [
      'a member of no group',
      { ...least, assignment: 'all', member: 'a' },
      /member is a name in a group, which assignment: 'all' does not join; remove one/,
    ],
    ['a member that Kafka does not take', { ...least, member: 'a b' }, /member must be 1 to 249 letters/],
    [
      'heartbeats that a session does not survive the loss of',
      { ...least, sessionTimeoutMs: 6_000, heartbeatIntervalMs: 2_001 },
      /heartbeatIntervalMs must be at most a third of sessionTimeoutMs/,
    ],
    [
      'a rebalance that is shorter than a session',
      { ...least, rebalanceTimeoutMs: 9_999 },
      /rebalanceTimeoutMs must be at least sessionTimeoutMs/,
    ],
    ['an unknown option', { ...least, groupId: 'g' }, /unknown option groupId; known are brokers, topics/],
    [
      'an unknown fetch option',
      { ...least, fetch: { maxWait: 1 } },
      /unknown option fetch.maxWait; known are maxWaitMs/,
    ],
    ['fetch that is no object', { ...least, fetch: 5 }, /fetch must be an object/],
    [
      'an unknown start',
      { ...least, startFrom: 'newest' },
      /option startFrom must be 'earliest', 'latest', .* or \{ timestamp.*"newest"/,
    ],
    [
      'a start with more than offsets',
      { ...least, startFrom: { offsets: {}, x: 1 } },
      /option startFrom must/,
    ],
    [
      'a start offset as number',
      { ...least, startFrom: { offsets: { orders: { 0: 5 } } } },
      /startFrom.offsets.orders.0 must be .* bigint/,
    ],
    [
      'a negative start offset',
      { ...least, startFrom: { offsets: { orders: { 0: -1n } } } },
      /startFrom.offsets.orders.0/,
    ],
    [
      'a start partition that is none',
      { ...least, startFrom: { offsets: { orders: { x: 1n } } } },
      /keyed by partition numbers/,
    ],
    [
      'a start of another topic',
      { ...least, startFrom: { offsets: { o: { 0: 1n } } } },
      /"o", which is not in topics; add it/,
    ],
    [
      'an unknown isolation',
      { ...least, isolation: 'committed' },
      /isolation must be 'read_committed' or 'read_uncommitted'/,
    ],
    [
      'an assignment of the future',
      { ...least, assignment: 'sticky' },
      /assignment must be 'group' or 'all'/,
    ],
    ['an empty client id', { ...least, clientId: '' }, /clientId must be a non-empty string/],
    ['ssl as text', { ...least, ssl: 'yes' }, /ssl must be true, false or/],
    [
      'sasl without mechanism',
      { ...least, sasl: { username: 'u' } },
      /sasl must be an object with a mechanism/,
    ],
    [
      'a mechanism that nobody knows',
      { ...least, sasl: { mechanism: 'scram', username: 'u', password: 'p' } },
      /sasl.mechanism must be 'plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer', 'aws', or come with/,
    ],
    [
      'a login without a name',
      { ...least, sasl: { mechanism: 'plain', username: '', password: 'p' } },
      /sasl.username must be a non-empty string; it is empty: is the environment variable/,
    ],
    [
      'a login without a password',
      { ...least, sasl: { mechanism: 'plain', username: 'u', password: process.env.NO_SUCH_VARIABLE } },
      /sasl.password must be a non-empty string, or a function.*; it is missing: is the environment variable/,
    ],
    [
      'a login with a misspelt option',
      { ...least, sasl: { mechanism: 'plain', username: 'u', password: 'p', pasword: 'p' } },
      /option sasl.pasword is unknown; known are mechanism, username, password/,
    ],
    [
      'the name of a file for a certificate',
      { ...least, ssl: { ca: '/etc/ca.pem' } },
      /ssl.ca must be PEM.*readFileSync\('ca.pem'\)/,
    ],
    [
      'a certificate without its key',
      { ...least, ssl: { cert: '-----BEGIN CERTIFICATE-----' } },
      /ssl.key is missing: a client certificate is both, cert and key/,
    ],
    [
      'a key that is none',
      { ...least, ssl: { cert: '-----BEGIN CERTIFICATE-----', key: '-----BEGIN PRIVATE KEY-----' } },
      /ssl cannot be used \(.+\): cert and key must be PEM and belong together/,
    ],
    [
      'a time that is no whole number',
      { ...least, metadataRefreshMs: 1.5 },
      /metadataRefreshMs must be a whole number from 100/,
    ],
    [
      'a timeout of nothing',
      { ...least, connectionTimeoutMs: 0 },
      /connectionTimeoutMs must be a whole number from 1/,
    ],
    [
      'a response smaller than a partition',
      { ...least, fetch: { maxBytes: 2048 } },
      /fetch.maxBytes is smaller than fetch.maxBytesPerPartition/,
    ],
    [
      'a request timeout within the wait',
      { ...least, requestTimeoutMs: 500 },
      /requestTimeoutMs must be more than fetch.maxWaitMs/,
    ],
  ])('refuses %s and says what would be right', (_, options, message) => {
    expect(messageOf(options)).toMatch(message)
  })

  test.each([
    ['an empty mechanism', { mechanism: '', password: 'hunter2' }],
    ['an unknown mechanism', { mechanism: 'scram', username: 'u', password: 'hunter2' }],
    ['a login that is text', 'plain u hunter2'],
    [
      'a password in the wrong place',
      { mechanism: 'plain', username: 'u', pass: 'hunter2', password: 'hunter2' },
    ],
  ])('secrets never appear in a message: %s', (_, sasl) => {
    expect(messageOf({ ...least, sasl })).not.toContain('hunter2')
  })

  test('a printed plan shows no secret, and the plan has them nevertheless', () => {
    const password = () => 'hunter2'
    const sasls: unknown[] = [
      { mechanism: 'scram-sha-512', username: 'u', password: 'hunter2' },
      { mechanism: 'plain', username: 'u', password },
      { mechanism: 'aws', authorizationIdentity: 'a', accessKeyId: 'k', secretAccessKey: 'hunter2' },
      {
        mechanism: 'own',
        token: 'hunter2',
        authenticationProvider: () => ({ authenticate: async () => {} }),
      },
    ]
    for (const sasl of sasls) {
      const plan = kafka({ ...least, ssl: { passphrase: 'hunter2' }, sasl } as unknown as KafkaOptions)
      expect(JSON.stringify(plan)).not.toContain('hunter2')
      expect(inspect(plan, { depth: 9 })).not.toContain('hunter2')
      expect(plan.sasl && revealed(plan.sasl)).toEqual(sasl)
      expect(plan.ssl).toHaveProperty('passphrase', 'hunter2')
    }
  })

  test('a mechanism may be written as the brokers write it', () => {
    const sasl = {
      mechanism: 'SCRAM-SHA-256',
      username: 'u',
      password: 'p',
    } as unknown as KafkaOptions['sasl']
    expect(kafka({ ...least, ...(sasl && { sasl }) }).sasl).toMatchObject({
      mechanism: 'scram-sha-256',
      password: 'p',
    })
  })
})
