import { onTestFinished } from 'vitest'
import { startTcpProxy, type TcpProxy } from '../../src/chaos/tcp-proxy.ts'

/** A proxy in front of the server of `url`, and the URL by which the same database is reached through it. */
export async function proxiedDatabase(url: string): Promise<{ proxy: TcpProxy; url: string }> {
  const target = new URL(url)
  const protocol = target.protocol === 'mysql:' ? 'mysql' : 'postgres'
  const port = Number(target.port || (protocol === 'mysql' ? 3306 : 5432))
  const proxy = await startTcpProxy({ target: { host: target.hostname, port }, protocol })
  onTestFinished(() => proxy.close())
  target.host = `${proxy.host}:${proxy.port}`
  return { proxy, url: target.href }
}
