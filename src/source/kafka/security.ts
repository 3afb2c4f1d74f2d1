import { createSecureContext } from 'node:tls'
import type { KafkaConfig, Mechanism, SASLOptions } from 'kafkajs'
import { asError, OncesinkError } from '../../errors.ts'

/** `true`, or the options of Node's `tls.connect`: `ca`, `cert`, `key`, `servername` ... Certificates are PEM text. */
export type KafkaTls = NonNullable<KafkaConfig['ssl']>

/** A password, or where it comes from each time a connection logs in: it may have changed since the last one. */
export type Password = string | (() => string | Promise<string>)

export interface KafkaLogin {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  readonly username: string
  /**
   * A function is called for every new connection, and when a login expires. What it throws is reported without
   * its password, and tried again like a broker that does not answer.
   */
  readonly password: Password
}

/** A login by name and password, or a mechanism of kafkajs' (`oauthbearer`, `aws`, one with its own provider). */
export type KafkaSasl = KafkaLogin | Exclude<SASLOptions, { readonly username: string }> | Mechanism

const logins: readonly string[] = [
  'plain',
  'scram-sha-256',
  'scram-sha-512',
] satisfies KafkaLogin['mechanism'][]
const others: readonly string[] = ['oauthbearer', 'aws']

/** What of these options may be seen when a plan is printed. */
const shownOfSasl = new Set(['mechanism', 'username', 'authorizationIdentity', 'accessKeyId'])
const hiddenOfSsl = new Set(['key', 'passphrase', 'pfx', 'ticketKeys', 'secureContext', 'session'])

export function isLogin(sasl: KafkaSasl): sasl is KafkaLogin {
  return logins.includes(sasl.mechanism)
}

/**
 * Checks the `ssl` option of {@link kafka} as far as that goes without a broker.
 * @throws OncesinkError CONFIGURATION_INVALID
 */
export function readSsl(value: unknown): KafkaTls | undefined {
  if (value === undefined || typeof value === 'boolean') return value
  if (!isObject(value)) throw invalid('ssl must be true, false or the options of tls.connect')
  for (const name of ['ca', 'cert', 'key']) refuseOtherThanPem(name, value[name])
  if ((value.cert === undefined) !== (value.key === undefined)) {
    throw invalid(
      `ssl.${value.cert === undefined ? 'cert' : 'key'} is missing: a client certificate is both, cert and key`,
    )
  }
  try {
    createSecureContext(value)
  } catch (error) {
    // OpenSSL's reason names no part of the key.
    throw invalid(
      `ssl cannot be used (${opensslReason(asError(error).message)}): cert and key must be PEM and belong together, ` +
        'passphrase must be the one of the key',
    )
  }
  return hiding(value, (name) => hiddenOfSsl.has(name))
}

/**
 * Checks the `sasl` option of {@link kafka}. No message repeats a value of it.
 * @throws OncesinkError CONFIGURATION_INVALID
 */
export function readSasl(value: unknown): KafkaSasl | undefined {
  if (value === undefined) return undefined
  const example = `like { mechanism: 'scram-sha-512', username: 'me', password: process.env.KAFKA_PASSWORD }`
  if (!isObject(value) || typeof value.mechanism !== 'string' || value.mechanism === '') {
    throw invalid(`sasl must be an object with a mechanism, ${example}`)
  }
  const mechanism = value.mechanism.toLowerCase()
  const isCustom = typeof value.authenticationProvider === 'function'
  if (!isCustom && ![...logins, ...others].includes(mechanism)) {
    throw invalid(
      `sasl.mechanism must be ${[...logins, ...others].map((name) => `'${name}'`).join(', ')}, or come with an ` +
        'authenticationProvider',
    )
  }
  if (!isCustom && logins.includes(mechanism)) checkLogin(value)
  const sasl = { ...value, mechanism: isCustom ? value.mechanism : mechanism }
  return hiding(sasl, (name) => !shownOfSasl.has(name)) as unknown as KafkaSasl
}

function checkLogin(value: Readonly<Record<string, unknown>>): void {
  const { username, password } = value
  for (const name of Object.keys(value)) {
    if (['mechanism', 'username', 'password'].includes(name)) continue
    throw invalid(`sasl.${name} is unknown; known are mechanism, username, password`)
  }
  if (typeof username !== 'string' || username === '') {
    throw invalid(`sasl.username must be a non-empty string${whatIfUnset(username)}`)
  }
  if ((typeof password !== 'string' || password === '') && typeof password !== 'function') {
    throw invalid(
      `sasl.password must be a non-empty string, or a function that returns one or a promise of one${whatIfUnset(password)}`,
    )
  }
}

function whatIfUnset(value: unknown): string {
  if (value !== undefined && value !== '') return ''
  return `; it is ${value === '' ? 'empty' : 'missing'}: is the environment variable that it is read from set?`
}

function refuseOtherThanPem(name: string, value: unknown): void {
  if (value === undefined) return
  for (const item of [value].flat() as unknown[]) {
    const pem = isObject(item) && 'pem' in item ? item.pem : item
    const text = typeof pem === 'string' ? pem : pem instanceof Uint8Array ? Buffer.from(pem).toString() : ''
    if (text.includes('-----BEGIN ')) continue
    throw invalid(
      `ssl.${name} must be PEM: the text of a file that begins with "-----BEGIN", not the file's name ` +
        `(readFileSync('${name}.pem'))`,
    )
  }
}

/** A frozen copy that prints without its secrets. */
function hiding<T extends object>(value: T, isHidden: (name: string) => boolean): Readonly<T> {
  const copy = { ...value }
  for (const name of Object.keys(copy)) {
    if (isHidden(name)) Object.defineProperty(copy, name, { enumerable: false })
  }
  return Object.freeze(copy)
}

/** All options, secrets included, in a new object. */
export function revealed<T extends object>(options: T): T {
  return Object.fromEntries(
    Object.getOwnPropertyNames(options).map((name) => [name, options[name as keyof T]]),
  ) as T
}

/** `error:05800074:x509 certificate routines::key values mismatch` without the numbers. */
export function opensslReason(message: string): string {
  const match = /error:[0-9A-F]+:[^:]*:[^:]*:([^:\n]+)/.exec(message)
  return (match?.[1] ?? message).trim()
}

function invalid(what: string): OncesinkError {
  return new OncesinkError('CONFIGURATION_INVALID', `kafka(): option ${what}`)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
