import { inspect } from 'node:util'
import { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { OncesinkError } from '../../src/errors.ts'
import type { KafkaOptions } from '../../src/source/kafka/options.ts'
import { Authority, type Certificate } from '../support/certificates.ts'
import { complaints, examined } from '../support/doctor.ts'
import { eventually } from '../support/eventually.ts'
import { openMember } from '../support/group-member.ts'
import { kafkaAdmin } from '../support/kafka-admin.ts'
import { openSource, positionsAt, takeRecords } from '../support/kafka-reading.ts'
import { createTopic, produce } from '../support/kafka-service.ts'
import { drain, openBench } from '../support/running-job.ts'
import { type SecuredKafka, securedKafka, users } from '../support/secured-kafka.ts'
import { uniqueName } from '../support/unique.ts'

let secured: SecuredKafka
let topic: string
let stranger: { readonly authority: Authority; readonly certificate: Certificate }
let ca: string

beforeAll(async () => {
  secured = await securedKafka()
  const { brokers } = secured.kafka
  const authority = await Authority.create('nobody knows it')
  stranger = { authority, certificate: await authority.issue('mallory') }
  ca = secured.authority.ca
  topic = await createTopic('secured', { brokers })
  await produce(topic, [{ value: 'a' }, { value: 'b' }], brokers)
})
afterAll(() => stranger.authority.remove())

type Way = Pick<KafkaOptions, 'ssl' | 'sasl'> & { readonly brokers: string[] }

const login = (
  name: keyof typeof users,
  mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512' = 'plain',
) => ({
  mechanism,
  username: name,
  password: users[name],
})

async function readAll(way: Way, from = topic): Promise<(string | null)[]> {
  const { source } = await openSource([from], way)
  await source.seek(await positionsAt(source, 0n))
  return (await takeRecords(source, 2)).values
}

/** The error with which reading ends; none of the secrets is anywhere in it. */
async function refusalOf(way: Way, from = topic): Promise<OncesinkError> {
  const error: unknown = await readAll(way, from).then(
    () => new Error('it was let in'),
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof OncesinkError)) throw error
  const shown = `${error.stack}${inspect(error, { depth: 9, showHidden: true })}${JSON.stringify(error)}`
  for (const secret of [...Object.values(users), 'hunter2', 'PRIVATE KEY'])
    expect(shown).not.toContain(secret)
  return error
}

describe('records are read', () => {
  test.each<[string, () => Way]>([
    ['with SASL PLAIN', () => ({ brokers: [secured.at('SASL')], sasl: login('admin') })],
    ['with SCRAM-SHA-256', () => ({ brokers: [secured.at('SASL')], sasl: login('admin', 'scram-sha-256') })],
    ['with SCRAM-SHA-512', () => ({ brokers: [secured.at('SASL')], sasl: login('admin', 'scram-sha-512') })],
    ['over TLS', () => ({ brokers: [secured.at('TLS')], ssl: { ca } })],
    [
      'over TLS that trusts what the machine trusts, and one authority more',
      () => ({ brokers: [secured.at('TLS')], ssl: { ca: [stranger.authority.ca, Buffer.from(ca)] } }),
    ],
    [
      'with SCRAM over TLS',
      () => ({ brokers: [secured.at('SASL_TLS')], ssl: { ca }, sasl: login('admin', 'scram-sha-512') }),
    ],
    [
      'under another name than that of the certificate, where that is expected',
      () => ({ brokers: [secured.at('ELSEWHERE')], ssl: { ca, servername: 'kafka.example' } }),
    ],
    [
      'with a password that a function gives',
      () => ({
        brokers: [secured.at('SASL')],
        sasl: { ...login('admin'), password: () => Promise.resolve(users.admin) },
      }),
    ],
  ])('%s', async (_, way) => {
    expect(await readAll(way())).toEqual(['a', 'b'])
  })

  test('over mutual TLS, as the user of the client certificate', async () => {
    const { brokers } = secured.kafka
    const own = await createTopic('mutual', { brokers })
    await produce(own, [{ value: 'a' }, { value: 'b' }], brokers)
    const way = { brokers: [secured.at('MUTUAL')], ssl: { ca, ...secured.client } }
    expect(await refusalOf(way, own)).toMatchObject({ code: 'SOURCE_REFUSED' })
    await grant('User:CN=alice', own, AclOperationTypes.READ)
    expect(await readAll(way, own)).toEqual(['a', 'b'])
  })

  test('over TLS whose key has a passphrase', async () => {
    const { brokers } = secured.kafka
    const own = await createTopic('passphrase', { brokers })
    await produce(own, [{ value: 'a' }, { value: 'b' }], brokers)
    await grant('User:CN=alice', own, AclOperationTypes.READ)
    const key = await secured.authority.encrypt(secured.client.key, 'hunter2')
    const ssl = { ca, cert: secured.client.cert, key, passphrase: 'hunter2' }
    expect(await readAll({ brokers: [secured.at('MUTUAL')], ssl }, own)).toEqual(['a', 'b'])
    const wrong = { brokers: [secured.at('MUTUAL')], ssl: { ...ssl, passphrase: 'wrong' } }
    expect(await refusalOf(wrong, own)).toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringMatching(
        /option ssl cannot be used \(.+\): .*passphrase must be the one of the key/,
      ),
    })
  })
})

describe('whoever is not let in is told why, at once and for good', () => {
  const refused = (what: RegExp) => ({ code: 'SOURCE_REFUSED', message: expect.stringMatching(what) })

  test.each<[string, () => Way, RegExp]>([
    [
      'a wrong password (PLAIN)',
      () => ({ brokers: [secured.at('SASL')], sasl: { ...login('admin'), password: 'hunter2' } }),
      /refused this client: .*Invalid username or password; check the sasl option/,
    ],
    [
      'a wrong password (SCRAM)',
      () => ({
        brokers: [secured.at('SASL')],
        sasl: { ...login('admin', 'scram-sha-512'), password: 'hunter2' },
      }),
      /refused this client: .*invalid credentials with SASL mechanism SCRAM-SHA-512; check the sasl option/,
    ],
    [
      'a mechanism that the broker does not offer',
      () => ({
        brokers: [secured.at('SASL')],
        sasl: { mechanism: 'oauthbearer', oauthBearerProvider: () => Promise.resolve({ value: 'hunter2' }) },
      }),
      /does not offer the SASL mechanism OAUTHBEARER \(it offers (PLAIN|SCRAM|, |-SHA-\d+)+\); change sasl.mechanism/,
    ],
    [
      'no login where one is wanted',
      () => ({ brokers: [secured.at('SASL')] }),
      /lets nobody in without SASL \(it offers .*SCRAM-SHA-512.*\); give the option sasl, like \{ mechanism/,
    ],
    [
      'no login where one is wanted, over TLS',
      () => ({ brokers: [secured.at('SASL_TLS')], ssl: { ca } }),
      /lets nobody in without SASL .*; give the option sasl/,
    ],
    [
      'a login where none is wanted',
      () => ({ brokers: secured.kafka.brokers, sasl: login('admin') }),
      /do not use SASL on this port, but the option sasl is given .*use their SASL port in brokers, or leave sasl out/,
    ],
    [
      'TLS at a plain port',
      () => ({ brokers: secured.kafka.brokers, ssl: { ca } }),
      /speaks plain text on this port, but the option ssl is given; use its TLS port in brokers, or leave ssl out/,
    ],
    [
      'plain text at a TLS port',
      () => ({ brokers: [secured.at('TLS')] }),
      /speaks TLS on this port; set ssl: true \(or \{ ca \} for an authority of your own\), or use its plain port/,
    ],
    [
      'a login without TLS at a TLS port',
      () => ({ brokers: [secured.at('SASL_TLS')], sasl: login('admin') }),
      /speaks TLS on this port; set ssl: true/,
    ],
    [
      'an authority that the machine does not know',
      () => ({ brokers: [secured.at('TLS')], ssl: true }),
      /TLS .* failed: unable to verify the first certificate; this machine does not trust.*give .* in ssl.ca/,
    ],
    [
      'another authority than that of the broker',
      () => ({ brokers: [secured.at('TLS')], ssl: { ca: stranger.authority.ca } }),
      /TLS .* failed: .*; this machine does not trust.*give that authority's certificate in ssl.ca/,
    ],
    [
      'a certificate for another host',
      () => ({ brokers: [secured.at('ELSEWHERE')], ssl: { ca } }),
      /TLS .* failed: .*not match certificate's altnames.*; use a name that the broker's certificate has.*servername/,
    ],
    [
      'no client certificate where one is wanted',
      () => ({ brokers: [secured.at('MUTUAL')], ssl: { ca } }),
      /TLS .* failed: .*alert.*; the broker wants a client certificate: give ssl.cert and ssl.key/,
    ],
    [
      'no client certificate where one is wanted, with TLS 1.2',
      () => ({ brokers: [secured.at('MUTUAL')], ssl: { ca, maxVersion: 'TLSv1.2' } }),
      /TLS .* failed: .*alert.*; the broker wants a client certificate: give ssl.cert and ssl.key/,
    ],
    [
      'a client certificate that nobody knows',
      () => ({ brokers: [secured.at('MUTUAL')], ssl: { ca, ...stranger.certificate } }),
      /TLS .* failed: .*alert.*; the broker does not accept this client's certificate: give one in ssl.cert/,
    ],
    [
      'no TLS version in common',
      () => ({ brokers: [secured.at('TLS')], ssl: { ca, minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' } }),
      /TLS .* failed: .*; broker and client have no TLS version or cipher in common: check ssl.minVersion/,
    ],
  ])('%s', async (_, way, what) => {
    const error = await refusalOf(way())
    expect(error).toMatchObject(refused(what))
    expect(error.message).not.toContain('\n')
    expect(error.disposition).toBe('stop')
  })

  test('a key that belongs to another certificate, before anybody is asked', async () => {
    const ssl = { ca, cert: secured.client.cert, key: stranger.certificate.key }
    expect(await refusalOf({ brokers: [secured.at('MUTUAL')], ssl })).toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringMatching(
        /ssl cannot be used \(key values mismatch\): cert and key must .* belong together/,
      ),
    })
  })

  test('a topic without an ACL: the message names it and the right to give', async () => {
    const way = { brokers: [secured.at('SASL')], sasl: login('bob') }
    const named = refused(
      new RegExp(
        `refuse access to topic "${topic}".*kafka-acls.sh .*--operation Read --operation Describe --topic ${topic}`,
      ),
    )
    expect(await refusalOf(way)).toMatchObject(named)
    // Enough to look at the topic, not to read it.
    await grant('User:bob', topic, AclOperationTypes.DESCRIBE)
    const { source } = await openSource([topic], way)
    await source.seek(await positionsAt(source, 0n))
    await expect(takeRecords(source, 1)).rejects.toMatchObject(named)
  })

  test('a group without an ACL: the message names it and the right to give, which is enough', async () => {
    const group = uniqueName('secured')
    await grant('User:bob', topic, AclOperationTypes.DESCRIBE)
    const way = { brokers: [secured.at('SASL')], sasl: login('bob'), topics: [topic] }
    await expect(openMember(group, way)).rejects.toMatchObject(
      refused(
        new RegExp(
          `consumer group "${group}" does not take .*kafka-acls.sh .*--operation Read --group '${group}'`,
        ),
      ),
    )
    await grant('User:bob', group, AclOperationTypes.READ, AclResourceTypes.GROUP)
    const member = await openMember(group, way)
    expect(member.owned()).toEqual([`${topic}/0`])
  })

  test('the doctor finds what is missing of a job’s rights, one after another as they are granted', async () => {
    const { brokers } = secured.kafka
    const bench = await openBench('examined', { brokers, partitions: 1 })
    await bench.produce(1)
    const job = bench.job({ source: { brokers: [secured.at('SASL')], sasl: login('alice') } })
    const group = `problem consumer group ${bench.name}: .*--operation Read --group '${bench.name}'`
    const found = async () => complaints(await examined(job))
    const matching = (...patterns: string[]) =>
      patterns.map((p) => expect.stringMatching(new RegExp(`^${p}`)))
    expect(await found()).toEqual(matching(`problem brokers: .*topic "${bench.topic}".*--operation Read`))
    await grant('User:alice', bench.topic, AclOperationTypes.DESCRIBE)
    expect(await found()).toEqual(
      matching(`problem reading: .*topic "${bench.topic}".*--operation Read`, group),
    )
    await grant('User:alice', bench.topic, AclOperationTypes.READ)
    expect(await found()).toEqual(matching(group))
    const alone = bench.job({
      source: { brokers: [secured.at('SASL')], sasl: login('alice'), assignment: 'all' },
    })
    expect(complaints(await examined(alone))).toEqual(
      matching(`warning consumer group ${bench.name}: .*right Read on the group, or .*groupMirror: false`),
    )
    // Enough to look at the group, not to join it.
    await grant('User:alice', bench.name, AclOperationTypes.DESCRIBE, AclResourceTypes.GROUP)
    expect(await found()).toEqual(matching(group))
    await grant('User:alice', bench.name, AclOperationTypes.READ, AclResourceTypes.GROUP)
    expect(await found()).toEqual([])
    await drain(job)
    expect(await bench.actual()).toEqual(bench.expected())
  })

  test('a right that is taken away from a running reader', async () => {
    const { brokers } = secured.kafka
    const own = await createTopic('revoked', { brokers })
    await produce(own, [{ value: 'a' }], brokers)
    await grant('User:alice', own, AclOperationTypes.READ)
    const { source } = await openSource([own], { brokers: [secured.at('SASL')], sasl: login('alice') })
    await source.seek(await positionsAt(source, 0n))
    expect((await takeRecords(source, 1)).values).toEqual(['a'])
    await revoke('User:alice', own)
    await expect(takeRecords(source, 1)).rejects.toMatchObject(refused(/refuse access to topic/))
  })
})

describe('a password function', () => {
  const way = (password: () => string | Promise<string>): Way => ({
    brokers: [secured.at('SASL')],
    sasl: { ...login('admin', 'scram-sha-256'), password },
  })

  test('is asked for every connection', async () => {
    let asked = 0
    await readAll(
      way(() => {
        asked += 1
        return users.admin
      }),
    )
    // Questions and fetches that wait have a connection each.
    expect(asked).toBe(2)
  })

  test('is asked again when the login expires, and the reading goes on', async () => {
    let asked = 0
    const password = () => {
      asked += 1
      return users.alice
    }
    const { brokers } = secured.kafka
    const own = await createTopic('expiring', { brokers })
    await grant('User:alice', own, AclOperationTypes.READ)
    // A login by SCRAM-SHA-512 lasts a little longer than the time before its end at which it is renewed.
    const sasl = { ...login('alice', 'scram-sha-512'), password }
    const { source, events } = await openSource([own], {
      brokers: [secured.at('SASL')],
      sasl,
      fetch: { maxWaitMs: 100 },
    })
    const retries: string[] = []
    events.on('retrying', ({ error }) => retries.push(error.message))
    await source.seek(await positionsAt(source, 0n))
    await eventually(() => asked > 3)
    await produce(own, [{ value: 'a' }], brokers)
    expect((await takeRecords(source, 1)).values).toEqual(['a'])
    expect(retries).toEqual([])
  })

  test('that fails is trouble that may pass, and says so', async () => {
    const failing = () => {
      throw new Error('the vault is sealed')
    }
    expect(await refusalOf(way(failing))).toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      message: expect.stringMatching(/^the function sasl.password failed: the vault is sealed; see where/),
    })
  })

  test('that gives no text is a mistake of the job', async () => {
    const unset = () => process.env.NO_SUCH_VARIABLE as string
    expect(await refusalOf(way(unset))).toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringMatching(
        /^the function sasl.password has returned undefined; it must return the password/,
      ),
    })
  })
})

async function grant(
  principal: string,
  name: string,
  operation: AclOperationTypes,
  resourceType = AclResourceTypes.TOPIC,
): Promise<void> {
  const admin = await kafkaAdmin(secured.kafka.brokers)
  await admin.createAcls({ acl: [{ ...aclOn(name, principal), resourceType, operation }] })
}

async function revoke(principal: string, name: string): Promise<void> {
  const admin = await kafkaAdmin(secured.kafka.brokers)
  await admin.deleteAcls({ filters: [{ ...aclOn(name, principal), operation: AclOperationTypes.ANY }] })
}

function aclOn(resourceName: string, principal: string) {
  return {
    resourceType: AclResourceTypes.TOPIC,
    resourceName,
    resourcePatternType: ResourcePatternTypes.LITERAL,
    principal,
    host: '*',
    permissionType: AclPermissionTypes.ALLOW,
  }
}
