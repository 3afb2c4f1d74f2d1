import { asError, OncesinkError } from '../../errors.ts'

const refusedTypes = new Set([
  'SASL_AUTHENTICATION_FAILED',
  'UNSUPPORTED_SASL_MECHANISM',
  'ILLEGAL_SASL_STATE',
  'CLUSTER_AUTHORIZATION_FAILED',
  'TOPIC_AUTHORIZATION_FAILED',
])
/** Codes with which Node says that a certificate is not trusted or TLS could not be agreed on. */
const tlsCode = /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_|ERR_SSL_|HOSTNAME_MISMATCH|EPROTO$)/

/**
 * What an error of kafkajs or of a socket means: SOURCE_REFUSED when credentials or trust are wrong, which waiting
 * does not mend, else SOURCE_UNAVAILABLE.
 */
export function sourceError(error: unknown, addresses: readonly string[]): OncesinkError {
  if (error instanceof OncesinkError) return error
  const cause = asError(error)
  const { name, message } = cause
  const type = textProperty(cause, 'type')
  const who = addresses.join(', ')
  if (name === 'KafkaJSSASLAuthenticationError' || refusedTypes.has(type)) {
    return new OncesinkError(
      'SOURCE_REFUSED',
      `the Kafka brokers at ${who} refused this client: ${message}; check the sasl option and the rights of its user`,
      { cause },
    )
  }
  if (tlsCode.test(textProperty(cause, 'code'))) {
    return new OncesinkError(
      'SOURCE_REFUSED',
      `TLS with the Kafka brokers at ${who} failed: ${message}; check the ssl option (ca, cert, key) and the port`,
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

function textProperty(error: Error, name: string): string {
  const value = (error as unknown as Record<string, unknown>)[name]
  return typeof value === 'string' ? value : ''
}
