import { asError, OncesinkError } from '../errors.ts'
import type { Clock } from '../runtime/clock.ts'

/** A password, or what is asked for one before each connection. */
export type Password = string | (() => string | Promise<string>)

/**
 * @param engine whose option it is, for messages
 * @param target where it is for, for messages
 * @throws OncesinkError DATABASE_UNAVAILABLE when the function fails or does not answer in time, as what it asks may
 *   be back later; CONFIGURATION_INVALID when it gives something else than a text
 */
export async function askPassword(
  password: Password | undefined,
  engine: string,
  target: string,
  clock: Clock,
  limitMs: number,
): Promise<string | undefined> {
  if (typeof password !== 'function') return password
  const given: unknown = await withinMs(clock, limitMs, password).catch((thrown: unknown) => {
    throw new OncesinkError(
      'DATABASE_UNAVAILABLE',
      `could not connect to ${target}: the job's password function failed: ${asError(thrown).message}. Mend what it asks`,
      { cause: thrown },
    )
  })
  if (typeof given === 'string' && given !== '') return given
  // What it gave is not shown: it may be a secret in the wrong wrapping.
  throw new OncesinkError(
    'CONFIGURATION_INVALID',
    `${engine}: the password function must return a text that is not empty, or a promise of one, but returned ${given === '' ? 'an empty text' : `something of type ${given === null ? 'null' : typeof given}`}`,
  )
}

/**
 * A password that a function gave may be refused because it has expired or is not valid yet: the next one may fit.
 * Returns the error that says so, or `error` itself.
 * @param refused whether the driver's error says that user or password are wrong
 */
export function asRefusedPassword(
  error: unknown,
  password: Password | undefined,
  refused: (cause: unknown) => boolean,
): unknown {
  if (typeof password !== 'function' || !(error instanceof OncesinkError) || !refused(error.cause))
    return error
  return new OncesinkError(
    'DATABASE_UNAVAILABLE',
    `${error.message} The password came from the job's password function, which is asked again`,
    { cause: error.cause },
  )
}

async function withinMs<T>(clock: Clock, limitMs: number, work: () => T | Promise<T>): Promise<T> {
  const settled = new AbortController()
  const late = async (): Promise<never> => {
    await clock.sleep(limitMs, settled.signal)
    throw new Error(`no answer within ${limitMs} ms (connectTimeoutMs)`)
  }
  try {
    return await Promise.race([(async () => work())(), late()])
  } finally {
    settled.abort()
  }
}
