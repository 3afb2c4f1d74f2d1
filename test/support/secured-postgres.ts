import { chown, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import pg from 'pg'
import type { NativeDatabase } from '../../src/services/index.ts'
import { Authority } from './certificates.ts'
import { eventually } from './eventually.ts'
import { cleanUpAfterFile, ownPostgres } from './postgres-service.ts'

export interface SecuredPostgres {
  readonly server: NativeDatabase
  readonly authority: Authority
  /** URL as a role that must use TLS and has a password. */
  readonly tlsUrl: string
  /** URL as a role that must have a client certificate of {@link authority} with the common name `cert_role`. */
  readonly certificateUrl: string
}

/**
 * A server of its own with TLS on, whose certificate is for `localhost` only: by the address 127.0.0.1 it has the
 * wrong name.
 */
export async function startSecuredPostgres(): Promise<SecuredPostgres> {
  const authority = await Authority.create('test authority')
  cleanUpAfterFile(() => authority.remove())
  const server = await ownPostgres()
  const data = join(dirname(server.logFile), 'data')
  const { uid, gid } = await stat(data)
  const file = async (name: string, text: string) => {
    await writeFile(join(data, name), text, { mode: 0o600 })
    await chown(join(data, name), uid, gid)
  }
  const { key, cert } = await authority.issue('localhost', ['DNS:localhost'])
  await file('server.key', key)
  await file('server.crt', cert)
  await file('ca.crt', authority.ca)
  const rules = await readFile(join(data, 'pg_hba.conf'), 'utf8')
  await file(
    'pg_hba.conf',
    `hostssl all tls_role all scram-sha-256
     hostssl all cert_role all cert
     host all tls_role,cert_role all reject
     ${rules}`,
  )
  const admin = new pg.Client({ connectionString: server.url })
  await admin.connect()
  await admin.query("CREATE ROLE tls_role LOGIN SUPERUSER PASSWORD 'secret'")
  await admin.query('CREATE ROLE cert_role LOGIN SUPERUSER')
  for (const [name, value] of Object.entries({
    ca_file: 'ca.crt',
    cert_file: 'server.crt',
    key_file: 'server.key',
  }))
    await admin.query(`ALTER SYSTEM SET ssl_${name} = '${value}'`)
  await admin.query('ALTER SYSTEM SET ssl = on')
  await admin.query('SELECT pg_reload_conf()')
  await eventually(async () => (await admin.query('SHOW ssl')).rows[0].ssl === 'on')
  await admin.end()
  const urlOf = (user: string) => {
    const url = new URL(server.url)
    url.hostname = 'localhost'
    url.username = user
    url.password = user === 'tls_role' ? 'secret' : ''
    return url.href
  }
  return { server, authority, tlsUrl: urlOf('tls_role'), certificateUrl: urlOf('cert_role') }
}
