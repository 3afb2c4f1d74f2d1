import { asError, OncesinkError } from '../../errors.ts'
import { type Security, sourceError, textProperty } from './broker-errors.ts'
import { probePort } from './probe.ts'

export interface SuspectBroker extends Security {
  readonly host: string
  readonly port: number
}

/**
 * Brokers close the connection without a word when they are spoken to in the wrong way: TLS where they want plain
 * text, plain text where they want TLS, no login where they want one. Tells these apart by asking again.
 * @param timeoutMs how long a broker may be silent
 * @returns SOURCE_REFUSED with the option to change, or null when the options are not the reason
 */
export async function diagnose(
  error: unknown,
  broker: SuspectBroker,
  timeoutMs: number,
): Promise<OncesinkError | null> {
  const cause = asError(error)
  const { host, port, ssl, sasl } = broker
  const who = `the Kafka broker at ${host}:${port}`
  const refused = (message: string) => new OncesinkError('SOURCE_REFUSED', `${who} ${message}`, { cause })
  const offer = (mechanisms: readonly string[]) => `it offers ${mechanisms.join(', ') || 'none'}`
  if (textProperty(cause, 'type') === 'UNSUPPORTED_SASL_MECHANISM' && sasl !== undefined) {
    const { mechanisms } = await probePort({ host, port, ssl }, timeoutMs)
    const offered = mechanisms === null ? '' : ` (${offer(mechanisms)})`
    return refused(
      `does not offer the SASL mechanism ${sasl.mechanism.toUpperCase()}${offered}; change sasl.mechanism`,
    )
  }
  if (!isClosedByPeer(cause)) return null
  const asConfigured = await probePort({ host, port, ssl }, timeoutMs)
  if (asConfigured.mechanisms !== null && sasl === undefined) {
    return refused(
      `lets nobody in without SASL (${offer(asConfigured.mechanisms)}); give the option sasl, like ` +
        `{ mechanism: '${(asConfigured.mechanisms[0] ?? 'plain').toLowerCase()}', username, password }`,
    )
  }
  if (asConfigured.speaksKafka) return null
  if (!ssl) {
    const { connected } = await probePort({ host, port, ssl: { rejectUnauthorized: false } }, timeoutMs)
    return connected
      ? refused(
          'speaks TLS on this port; set ssl: true (or { ca } for an authority of your own), or use its plain port',
        )
      : null
  }
  if (asConfigured.error !== null) {
    const explained = sourceError(asConfigured.error, [`${host}:${port}`], broker)
    if (explained.code === 'SOURCE_REFUSED') return explained
  }
  const { speaksKafka } = await probePort({ host, port }, timeoutMs)
  return speaksKafka
    ? refused(
        'speaks plain text on this port, but the option ssl is given; use its TLS port in brokers, or leave ssl out',
      )
    : null
}

/** kafkajs' errors for a connection that the other side has ended have a name, a code of the system's, or neither. */
function isClosedByPeer(error: Error): boolean {
  return (
    error.name === 'KafkaJSConnectionClosedError' ||
    ['ECONNRESET', 'EPIPE'].includes(textProperty(error, 'code')) ||
    /connection closed by the server|not connected/i.test(error.message)
  )
}
