import { describe, expect, test } from 'vitest'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { loginMechanism } from '../../../../src/source/kafka/authentication.ts'
import { sourceError } from '../../../../src/source/kafka/broker-errors.ts'
import type { Password } from '../../../../src/source/kafka/security.ts'

type Args = Parameters<ReturnType<typeof loginMechanism>['authenticationProvider']>[0]

const logger = {
  namespace: () => logger,
  debug() {},
  info() {},
  warn() {},
  error() {},
} as unknown as Args['logger']

function logIn(
  mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512',
  password: Password,
  saslAuthenticate: Args['saslAuthenticate'],
  clock = systemClock,
): Promise<void> {
  const { authenticationProvider } = loginMechanism({ mechanism, username: 'u', password }, clock)
  return authenticationProvider({ host: 'h', port: 1, logger, saslAuthenticate }).authenticate()
}

describe('a login', () => {
  test.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)(
    'by %s during which the broker goes away is no refusal: the broker may come back',
    async (mechanism) => {
      const gone = Object.assign(new Error('Closed connection'), { name: 'KafkaJSConnectionClosedError' })
      const failure: unknown = await logIn(mechanism, 'p', () => Promise.reject(gone)).catch(
        (e: unknown) => e,
      )
      expect(failure).toBe(gone)
      expect(sourceError(failure, ['h:1']).code).toBe('SOURCE_UNAVAILABLE')
    },
  )

  test('by SCRAM at a broker that does not know the password itself is refused by the client', async () => {
    const replies = [{ r: 'another nonce', s: 'c2FsdA==', i: '4096', original: '' }]
    const failure: unknown = await logIn('scram-sha-256', 'p', () =>
      Promise.resolve(replies.shift() as never),
    ).catch((e: unknown) => e)
    expect(sourceError(failure, ['h:1'])).toMatchObject({
      code: 'SOURCE_REFUSED',
      message: expect.stringContaining('Invalid server nonce'),
    })
  })

  test('whose password function never answers ends after its time', async () => {
    const slept: number[] = []
    const clock = {
      ...systemClock,
      sleep: (ms: number) => {
        slept.push(ms)
        return Promise.resolve()
      },
    }
    const never = () => new Promise<string>(() => undefined)
    await expect(logIn('plain', never, () => Promise.resolve(), clock)).rejects.toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      message: expect.stringContaining('sasl.password failed: it has not answered within 10 s'),
    })
    expect(slept).toEqual([10_000])
  })
})
