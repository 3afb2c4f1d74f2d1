import { afterAll } from 'vitest'
import type { KafkaListener, NativeKafka } from '../../src/services/index.ts'
import { Authority, type Certificate } from './certificates.ts'
import { ownKafka } from './kafka-service.ts'

/** Who exists on {@link securedKafka}. `alice` may read what a test grants her; `admin` may do everything. */
export const users = { admin: 'admin-secret', alice: 'alice-secret', bob: 'bob-secret' }

export interface SecuredKafka {
  readonly kafka: NativeKafka
  readonly authority: Authority
  /** The certificate of the client that the broker calls `User:CN=alice`. */
  readonly client: Certificate
  /** Address of a listener. */
  at(listener: 'SASL' | 'TLS' | 'MUTUAL' | 'SASL_TLS' | 'ELSEWHERE'): string
}

const login = (module: string, users = '') => `org.apache.kafka.common.security.${module} required ${users};`

/**
 * A broker with a listener for every way to be secured, and with ACLs. Whoever comes without a name (the plain
 * listener, TLS without a client certificate) may do everything.
 */
export async function securedKafka(properties: Readonly<Record<string, string>> = {}): Promise<SecuredKafka> {
  const authority = await Authority.create('oncesink test authority')
  afterAll(() => authority.remove())
  const [server, elsewhere, client] = await Promise.all([
    authority.issue('broker', ['IP:127.0.0.1', 'DNS:localhost']),
    authority.issue('broker', ['DNS:kafka.example']),
    authority.issue('alice'),
  ])
  const keystore = ({ key, cert }: Certificate) => ({
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.key': key,
    'ssl.keystore.certificate.chain': cert,
  })
  const truststore = { 'ssl.truststore.type': 'PEM', 'ssl.truststore.certificates': authority.ca }
  const passwords = Object.entries(users).map(([name, password]) => `user_${name}="${password}"`)
  const sasl = {
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'plain.sasl.jaas.config': login('plain.PlainLoginModule', passwords.join(' ')),
    'scram-sha-256.sasl.jaas.config': login('scram.ScramLoginModule'),
    // kafkajs renews a login 10 s before its end.
    'scram-sha-512.connections.max.reauth.ms': '11500',
    'scram-sha-512.sasl.jaas.config': login('scram.ScramLoginModule'),
  }
  const listeners: KafkaListener[] = [
    { name: 'SASL', protocol: 'SASL_PLAINTEXT', properties: sasl },
    { name: 'TLS', protocol: 'SSL', properties: keystore(server) },
    {
      name: 'MUTUAL',
      protocol: 'SSL',
      properties: { ...keystore(server), ...truststore, 'ssl.client.auth': 'required' },
    },
    { name: 'SASL_TLS', protocol: 'SASL_SSL', properties: { ...keystore(server), ...sasl } },
    { name: 'ELSEWHERE', protocol: 'SSL', properties: keystore(elsewhere) },
  ]
  const kafka = await ownKafka({
    memory: '256m',
    listeners,
    scramUsers: Object.entries(users).map(([name, password]) => ({ name, password })),
    properties: {
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:ANONYMOUS;User:admin',
      ...properties,
    },
  })
  return { kafka, authority, client, at: (listener) => kafka.listeners[listener] ?? '' }
}
