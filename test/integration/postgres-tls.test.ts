import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Connection } from '../../src/database/dialect.ts'
import { createPostgresDialect } from '../../src/database/postgres/dialect.ts'
import { type PostgresOptions, postgres } from '../../src/database/postgres/options.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { Authority } from '../support/certificates.ts'
import { inTransaction } from '../support/postgres-fixture.ts'
import { postgresService } from '../support/postgres-service.ts'
import { type SecuredPostgres, startSecuredPostgres } from '../support/secured-postgres.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

let secured: SecuredPostgres
let strangers: Authority

beforeAll(async () => {
  secured = await startSecuredPostgres()
  strangers = await Authority.create('strangers')
  return () => strangers.remove()
})

const connect = (options: PostgresOptions) =>
  createPostgresDialect(postgres(options), systemRuntime).connect({ job: 'job', owner: 'test' })

/** What the server says of the connection's TLS: its version and the client certificate's name. */
async function tlsOf(
  connection: Connection,
): Promise<{ ssl: boolean; version: string | null; name: string | null }> {
  const facts = await inTransaction(connection, 'batch', async (trx) => {
    let found: unknown
    await trx.runUserCode(async (knex) => {
      found = await knex('pg_stat_ssl')
        .whereRaw('pid = pg_backend_pid()')
        .first('ssl', 'version', 'client_dn as name')
    })
    return found
  })
  await connection.close()
  return facts as { ssl: boolean; version: string | null; name: string | null }
}

/** Writes texts to files of a folder that is gone after the test; returns their paths. */
async function files(texts: Readonly<Record<string, string>>): Promise<Record<string, string>> {
  const folder = await temporaryFolder()
  const paths = Object.keys(texts).map((name) => [name, join(folder, name)] as const)
  for (const [name, path] of paths) await writeFile(path, texts[name] ?? '')
  return Object.fromEntries(paths)
}

function withParameters(url: string, parameters: Readonly<Record<string, string>>): string {
  const changed = new URL(url)
  for (const [name, value] of Object.entries(parameters)) changed.searchParams.set(name, value)
  return changed.href
}

/** By the address the certificate has the wrong name. */
function byAddress(url: string): string {
  return url.replace('localhost', '127.0.0.1')
}

describe('a server whose certificate is verified', () => {
  test('by the option ssl', async () => {
    const ssl = { ca: secured.authority.ca }
    const connection = await connect({ connectionString: secured.tlsUrl, ssl })
    expect(await tlsOf(connection)).toMatchObject({
      ssl: true,
      version: expect.stringMatching(/^TLSv1\.[23]/),
    })
  })

  test.each(['require', 'verify-full', 'verify-ca'])(
    'by sslmode=%s and sslrootcert in the URL',
    async (sslmode) => {
      const { ca = '' } = await files({ ca: secured.authority.ca })
      const connectionString = withParameters(secured.tlsUrl, { sslmode, sslrootcert: ca })
      expect(await tlsOf(await connect({ connectionString }))).toMatchObject({ ssl: true })
    },
  )

  test('by the option ssl beside a URL that asks for TLS', async () => {
    const connectionString = withParameters(secured.tlsUrl, { sslmode: 'require' })
    const connection = await connect({ connectionString, ssl: { ca: secured.authority.ca } })
    expect(await tlsOf(connection)).toMatchObject({ ssl: true })
  })

  test('an unchecked one is encrypted with sslmode=no-verify, and a checked authority is enough for verify-ca', async () => {
    const noVerify = withParameters(byAddress(secured.tlsUrl), { sslmode: 'no-verify' })
    expect(await tlsOf(await connect({ connectionString: noVerify }))).toMatchObject({ ssl: true })
    const { ca = '' } = await files({ ca: secured.authority.ca })
    const verifyCa = withParameters(byAddress(secured.tlsUrl), { sslmode: 'verify-ca', sslrootcert: ca })
    expect(await tlsOf(await connect({ connectionString: verifyCa }))).toMatchObject({ ssl: true })
  })

  test('a client certificate takes the place of a password, from PEM and from files', async () => {
    const { key, cert } = await secured.authority.issue('cert_role')
    const ssl = { ca: secured.authority.ca, key, cert }
    const direct = await connect({ connectionString: secured.certificateUrl, ssl })
    expect(await tlsOf(direct)).toMatchObject({ ssl: true, name: '/CN=cert_role' })
    const paths = await files({ sslrootcert: secured.authority.ca, sslkey: key, sslcert: cert })
    const connectionString = withParameters(secured.certificateUrl, { sslmode: 'verify-full', ...paths })
    expect(await tlsOf(await connect({ connectionString }))).toMatchObject({ name: '/CN=cert_role' })
  })
})

describe('what does not fit is refused with its cure', () => {
  async function refusal(options: PostgresOptions): Promise<string> {
    const error: unknown = await connect(options).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'DATABASE_REFUSED' })
    return (error as Error).message
  }

  test('an authority that is not trusted', async () => {
    const message = await refusal({ connectionString: secured.tlsUrl, ssl: { ca: strangers.ca } })
    expect(message).toMatch(/authority is not trusted here: give it in ssl\.ca, or as sslrootcert/)
    const untold = await refusal({ connectionString: withParameters(secured.tlsUrl, { sslmode: 'require' }) })
    expect(untold).toMatch(/authority is not trusted here/)
  })

  test('another host name', async () => {
    const ssl = { ca: secured.authority.ca }
    const message = await refusal({ connectionString: byAddress(secured.tlsUrl), ssl })
    expect(message).toMatch(/IP: 127\.0\.0\.1.*certificate is for other names/)
  })

  test('plain text where the server wants TLS', async () => {
    const message = await refusal({ connectionString: secured.tlsUrl })
    expect(message).toMatch(/no encryption.*28000.*The server wants TLS: set ssl, or sslmode=require/)
  })

  test('TLS where the server has none', async () => {
    const connectionString = withParameters(postgresService().url, { sslmode: 'require' })
    expect(await refusal({ connectionString })).toMatch(
      /does not support SSL.*Leave out ssl, or switch it on/,
    )
  })

  test('a client certificate that is missing, of a strange authority, or for another role', async () => {
    const { ca } = secured.authority
    const connectionString = secured.certificateUrl
    expect(await refusal({ connectionString, ssl: { ca } })).toMatch(
      /certificate.*Give a certificate for this user/,
    )
    const foreign = await strangers.issue('cert_role')
    expect(await refusal({ connectionString, ssl: { ca, ...foreign } })).toMatch(
      /check ssl\.cert and ssl\.key/,
    )
    const other = await secured.authority.issue('somebody')
    expect(await refusal({ connectionString, ssl: { ca, ...other } })).toMatch(/cert_role.*28000/)
  })

  test('a file that does not exist, and a key that is none', async () => {
    const missing = withParameters(secured.tlsUrl, { sslmode: 'verify-full', sslrootcert: '/no/such/ca.pem' })
    await expect(connect({ connectionString: missing })).rejects.toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringMatching(/sslrootcert cannot be read.*\/no\/such\/ca\.pem/),
    })
    const { ca } = secured.authority
    const broken = await refusal({ connectionString: secured.tlsUrl, ssl: { ca, key: 'x', cert: 'y' } })
    expect(broken).toMatch(/PEM.*Check the ssl options/i)
  })
})
