import type { AuthenticationProviderArgs, Authenticator, Mechanism } from 'kafkajs'
import plain from 'kafkajs/src/broker/saslAuthenticator/plain.js'
import scram256 from 'kafkajs/src/broker/saslAuthenticator/scram256.js'
import scram512 from 'kafkajs/src/broker/saslAuthenticator/scram512.js'
import { asError, OncesinkError } from '../../errors.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { KafkaLogin, Password } from './security.ts'

const providers = { plain, 'scram-sha-256': scram256, 'scram-sha-512': scram512 }

/** How long a password function may take, in milliseconds. */
export const passwordTimeoutMs = 10_000

/**
 * kafkajs' own login, with two differences: the password is asked for each time, and a broker that goes away during
 * the login is no refusal (kafkajs wraps whatever happens into an authentication error).
 */
export function loginMechanism(login: KafkaLogin, clock: Clock): Mechanism {
  const { mechanism, username } = login
  return {
    mechanism,
    authenticationProvider: (args) => ({
      authenticate: async () => {
        const password = await resolvePassword(login.password, clock)
        await authenticate(providers[mechanism]({ username, password }), args)
      },
    }),
  }
}

async function authenticate(
  provider: (args: AuthenticationProviderArgs) => Authenticator,
  args: AuthenticationProviderArgs,
): Promise<void> {
  let failure: unknown
  const saslAuthenticate: AuthenticationProviderArgs['saslAuthenticate'] = async (exchange) => {
    try {
      return await args.saslAuthenticate(exchange)
    } catch (error) {
      failure = error
      throw error
    }
  }
  try {
    await provider({ ...args, saslAuthenticate }).authenticate()
  } catch (error) {
    throw failure ?? error
  }
}

/** @throws OncesinkError SOURCE_UNAVAILABLE (the function failed), CONFIGURATION_INVALID (it gave no text) */
async function resolvePassword(password: Password, clock: Clock): Promise<string> {
  if (typeof password === 'string') return password
  const answered = new AbortController()
  const tooLate = clock.sleep(passwordTimeoutMs, answered.signal).then(() => {
    throw new Error(`it has not answered within ${passwordTimeoutMs / 1000} s`)
  })
  let value: unknown
  try {
    value = await Promise.race([call(password), tooLate])
  } catch (error) {
    throw new OncesinkError(
      'SOURCE_UNAVAILABLE',
      `the function sasl.password failed: ${asError(error).message}; see where it takes the password from`,
      { cause: error },
    )
  } finally {
    answered.abort()
    tooLate.catch(() => undefined)
  }
  if (typeof value === 'string' && value !== '') return value
  throw new OncesinkError(
    'CONFIGURATION_INVALID',
    `the function sasl.password has returned ${value === '' ? 'an empty string' : typeof value}; it must return the ` +
      'password as a string, or a promise of one',
  )
}

async function call(password: () => string | Promise<string>): Promise<string> {
  return password()
}
