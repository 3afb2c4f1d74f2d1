import { OncesinkError } from '../errors.ts'

/*
 * What the options of every engine have in common; complaints name the factory, `postgres` or `mysql`.
 */

/** Timers hold 31 bits. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

export type TimeoutName =
  | 'statementTimeoutMs'
  | 'lockTimeoutMs'
  | 'idleInTransactionTimeoutMs'
  | 'connectTimeoutMs'

export type TimeoutOptions = Readonly<Partial<Record<TimeoutName, number | undefined>>>

/** @throws OncesinkError CONFIGURATION_INVALID for an option that is not among the keys of `known` */
export function refuseUnknownOptions(factory: string, options: object, known: object): void {
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name)) continue
    throw configurationInvalid(
      `${factory}: unknown option '${name}'; the options are ${Object.keys(known).join(', ')}`,
    )
  }
}

/** @throws OncesinkError CONFIGURATION_INVALID unless it is an integer from `least` milliseconds */
export function timeoutOption(
  factory: string,
  options: TimeoutOptions,
  name: TimeoutName,
  byDefault: number,
  least: number,
): number {
  const value: unknown = options[name] ?? byDefault
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > MAX_TIMEOUT_MS) {
    throw configurationInvalid(
      `${factory}: ${name} must be an integer number of milliseconds from ${least} to ${MAX_TIMEOUT_MS}, not ${String(value)}`,
    )
  }
  return value
}

/** @throws OncesinkError CONFIGURATION_INVALID for a port that there is not */
export function checkPort(factory: string, port: unknown): void {
  if (port === undefined) return
  if (typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65_535) return
  throw configurationInvalid(`${factory}: port must be an integer from 1 to 65535, not ${String(port)}`)
}

export function configurationInvalid(message: string): OncesinkError {
  return new OncesinkError('CONFIGURATION_INVALID', message)
}
