import { readFile } from 'node:fs/promises'
import type { ConnectionOptions } from 'node:tls'
import { asError, OncesinkError } from '../../errors.ts'

/** What a connection string, or the environment, says about TLS; files are named, not yet read. */
export interface UrlTls {
  readonly mode: TlsMode
  readonly rootCertFile: string | null
  readonly certFile: string | null
  readonly keyFile: string | null
}

/**
 * - `disable`: plain text;
 * - `no-verify`: encrypted, to whoever answers;
 * - `verify-ca`: the certificate's authority is checked, not its name;
 * - `require`, `verify-full`: both are checked. (libpq's `require` checks neither, and so protects from nobody who
 *   can answer in the server's place.)
 */
const modes = ['disable', 'no-verify', 'require', 'verify-ca', 'verify-full'] as const
export type TlsMode = (typeof modes)[number]

const parameters = ['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'ssl'] as const

/** The connection string's TLS parameters; null when it has none. */
export function urlTls(connectionString: string): UrlTls | null {
  const { searchParams } = new URL(connectionString)
  return tlsFrom('connectionString', (name) => searchParams.get(name))
}

/** The same from libpq's PGSSLMODE, PGSSLROOTCERT, PGSSLCERT and PGSSLKEY. */
export function environmentTls(environment: NodeJS.ProcessEnv): UrlTls | null {
  return tlsFrom('the environment (PGSSLMODE ...)', (name) => environment[`PG${name.toUpperCase()}`])
}

type Parameter = (typeof parameters)[number]

function tlsFrom(where: string, get: (name: Parameter) => string | null | undefined): UrlTls | null {
  const value = (name: Parameter) => get(name) || null
  if (parameters.every((name) => value(name) === null)) return null
  const files = { rootCertFile: value('sslrootcert'), certFile: value('sslcert'), keyFile: value('sslkey') }
  if ((files.certFile === null) !== (files.keyFile === null)) {
    throw invalid(where, 'a client certificate needs both sslcert and sslkey')
  }
  return Object.freeze({ mode: modeOf(where, value('sslmode'), value('ssl')), ...files })
}

function modeOf(where: string, sslmode: string | null, ssl: string | null): TlsMode {
  if (sslmode === null) {
    if (ssl === null || ssl === 'true' || ssl === '1') return 'verify-full'
    if (ssl === 'false' || ssl === '0') return 'disable'
    throw invalid(where, `ssl=${ssl} is neither true nor false`)
  }
  const mode = modes.find((known) => known === sslmode)
  if (mode) return mode
  if (sslmode === 'prefer' || sslmode === 'allow') {
    throw invalid(
      where,
      `sslmode=${sslmode} would go on in plain text, without a word, where TLS fails: write sslmode=require (or ` +
        'verify-full), or sslmode=disable if plain text is what you want',
    )
  }
  throw invalid(where, `sslmode=${sslmode} is not known: there are ${modes.join(', ')}`)
}

/** Takes away what {@link urlTls} has read. */
export function withoutTls(url: URL): void {
  for (const name of parameters) url.searchParams.delete(name)
}

/**
 * Whether option and connection string may stand side by side: where the string only asks for TLS, the option says
 * with which certificates.
 */
export function contradicts(ssl: boolean | ConnectionOptions | undefined, url: UrlTls | null): boolean {
  if (ssl === undefined || url === null) return false
  if (ssl === false) return url.mode !== 'disable'
  const asksOnly = url.mode === 'require' || url.mode === 'verify-full'
  return !asksOnly || [url.rootCertFile, url.certFile, url.keyFile].some((file) => file !== null)
}

/**
 * What tls.connect is given; false for plain text. Files are read anew for every connection, so that renewed
 * certificates need no restart.
 * @throws OncesinkError CONFIGURATION_INVALID when a file cannot be read
 */
export async function tlsOptions(
  ssl: boolean | ConnectionOptions | undefined,
  url: UrlTls | null,
): Promise<boolean | ConnectionOptions> {
  if (ssl !== undefined || url === null) return ssl ?? false
  if (url.mode === 'disable') return false
  const [ca, cert, key] = await Promise.all([
    read('sslrootcert', url.rootCertFile),
    read('sslcert', url.certFile),
    read('sslkey', url.keyFile),
  ])
  return {
    ...(ca === null ? {} : { ca }),
    ...(cert === null ? {} : { cert }),
    ...(key === null ? {} : { key }),
    ...(url.mode === 'no-verify' ? { rejectUnauthorized: false } : {}),
    ...(url.mode === 'verify-ca' ? { checkServerIdentity: () => undefined } : {}),
  }
}

async function read(parameter: string, file: string | null): Promise<Buffer | null> {
  if (file === null) return null
  try {
    return await readFile(file)
  } catch (error) {
    throw new OncesinkError(
      'CONFIGURATION_INVALID',
      `postgres: the file of ${parameter} cannot be read: ${asError(error).message}`,
      { cause: error },
    )
  }
}

function invalid(where: string, message: string): OncesinkError {
  return new OncesinkError('CONFIGURATION_INVALID', `postgres: in ${where} ${message}`)
}
