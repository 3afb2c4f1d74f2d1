import { asError, OncesinkError } from '../../errors.ts'
import { type KafkaSasl, type KafkaTls, opensslReason } from './security.ts'

/** The options that decide what a broker thinks of this client. */
export interface Security {
  readonly ssl: KafkaTls | undefined
  readonly sasl: KafkaSasl | undefined
}

const refusedTypes = new Set([
  'SASL_AUTHENTICATION_FAILED',
  'UNSUPPORTED_SASL_MECHANISM',
  'ILLEGAL_SASL_STATE',
  'CLUSTER_AUTHORIZATION_FAILED',
  'TOPIC_AUTHORIZATION_FAILED',
])
/** Codes with which Node says that a certificate is not trusted or TLS could not be agreed on. */
const tlsCode =
  /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|INVALID_CA$|ERR_TLS_|ERR_SSL_|HOSTNAME_MISMATCH|EPROTO$)/

/**
 * What an error of kafkajs or of a socket means: SOURCE_REFUSED when credentials or trust are wrong, which waiting
 * does not mend, else SOURCE_UNAVAILABLE.
 */
export function sourceError(
  error: unknown,
  addresses: readonly string[],
  security?: Security,
): OncesinkError {
  if (error instanceof OncesinkError) return error
  const cause = asError(error)
  const { name, message } = cause
  const type = textProperty(cause, 'type')
  const who = addresses.join(', ')
  if (name === 'KafkaJSSASLAuthenticationError' || refusedTypes.has(type)) {
    return new OncesinkError('SOURCE_REFUSED', refusal(who, type, message), { cause })
  }
  const code = textProperty(cause, 'code')
  if (tlsCode.test(code)) {
    const reason = opensslReason(message.replace(/^Connection error: /, ''))
    return new OncesinkError(
      'SOURCE_REFUSED',
      `TLS with the Kafka brokers at ${who} failed: ${reason}; ${tlsCure(code, security)}`,
      { cause },
    )
  }
  return new OncesinkError(
    'SOURCE_UNAVAILABLE',
    `no answer from the Kafka brokers at ${who}: ${message}; check that they run and that brokers is right, and ` +
      'the ssl and sasl options where the cluster wants them',
    { cause },
  )
}

function refusal(who: string, type: string, message: string): string {
  if (type === 'ILLEGAL_SASL_STATE') {
    return (
      `the Kafka brokers at ${who} do not use SASL on this port, but the option sasl is given (${message}); use their ` +
      'SASL port in brokers, or leave sasl out'
    )
  }
  return `the Kafka brokers at ${who} refused this client: ${message}; check the sasl option and the rights of its user`
}

function tlsCure(code: string, security: Security | undefined): string {
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'HOSTNAME_MISMATCH') {
    return (
      "use a name that the broker's certificate has, in brokers and in the brokers' advertised.listeners, or have it " +
      'reissued; ssl.servername names one to expect instead'
    )
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return "renew the broker's certificate, and check the clock of this machine"
  }
  if (/^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_UNTRUSTED|INVALID_CA$)/.test(code)) {
    return "this machine does not trust who has signed the broker's certificate: give that authority's certificate in ssl.ca"
  }
  if (
    /ALERT_(BAD_CERTIFICATE|CERTIFICATE_|UNKNOWN_CA|UNSUPPORTED_CERTIFICATE|HANDSHAKE_FAILURE)/.test(code)
  ) {
    return hasCertificate(security)
      ? "the broker does not accept this client's certificate: give one in ssl.cert and ssl.key that its truststore trusts"
      : 'the broker wants a client certificate: give ssl.cert and ssl.key'
  }
  if (/(PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|NO_SHARED_CIPHER|NO_CIPHERS)/.test(code)) {
    return 'broker and client have no TLS version or cipher in common: check ssl.minVersion, ssl.maxVersion and ssl.ciphers'
  }
  return 'check the ssl option (ca, cert, key) and that the port is a TLS one'
}

function hasCertificate(security: Security | undefined): boolean {
  const ssl = security?.ssl
  return typeof ssl === 'object' && (ssl.cert !== undefined || ssl.pfx !== undefined)
}

export function textProperty(error: Error, name: string): string {
  const value = (error as unknown as Record<string, unknown>)[name]
  return typeof value === 'string' ? value : ''
}
