import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const openssl = async (...args: string[]) => {
  await promisify(execFile)('openssl', args)
}

/** A key and its certificate, as PEM. */
export interface Certificate {
  readonly key: string
  readonly cert: string
}

/** A certificate authority of a test's own. */
export class Authority {
  readonly dir: string
  /** Its certificate, as PEM: what those trust who trust it. */
  readonly ca: string
  #issued = 0

  private constructor(dir: string, ca: string) {
    this.dir = dir
    this.ca = ca
  }

  static async create(name: string): Promise<Authority> {
    const dir = await mkdtemp(join(tmpdir(), 'oncesink-authority-'))
    const [key, cert] = [join(dir, 'ca.key'), join(dir, 'ca.pem')]
    const subject = ['-subj', `/CN=${name}`, '-days', '2']
    await openssl('req', '-x509', ...newKey, '-keyout', key, '-out', cert, ...subject)
    return new Authority(dir, await readFile(cert, 'utf8'))
  }

  /**
   * Signs a certificate for `commonName`, valid now.
   * @param names what a client may call the server: `IP:127.0.0.1`, `DNS:localhost`
   */
  async issue(commonName: string, names: readonly string[] = []): Promise<Certificate> {
    this.#issued += 1
    const file = (extension: string) => join(this.dir, `${this.#issued}.${extension}`)
    const [key, request, cert, extensions] = [file('key'), file('csr'), file('pem'), file('ext')]
    await writeFile(
      extensions,
      names.length > 0 ? `subjectAltName=${names.join()}\n` : 'basicConstraints=CA:FALSE\n',
    )
    await openssl('req', ...newKey, '-keyout', key, '-out', request, '-subj', `/CN=${commonName}`)
    const ca = ['-CA', join(this.dir, 'ca.pem'), '-CAkey', join(this.dir, 'ca.key'), '-CAcreateserial']
    await openssl('x509', '-req', '-in', request, ...ca, '-out', cert, '-days', '2', '-extfile', extensions)
    return { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') }
  }

  /** The key, locked with a passphrase. */
  async encrypt(key: string, passphrase: string): Promise<string> {
    const [from, to] = [join(this.dir, 'plain.key'), join(this.dir, 'locked.key')]
    await writeFile(from, key)
    await openssl('pkcs8', '-topk8', '-in', from, '-out', to, '-passout', `pass:${passphrase}`)
    return readFile(to, 'utf8')
  }

  async remove(): Promise<void> {
    await rm(this.dir, { recursive: true, force: true })
  }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
