import { onTestFinished } from 'vitest'
import { startTcpProxy, type TcpProxy } from '../../src/chaos/tcp-proxy.ts'

/** A proxy in front of the server of `url`, and the URL by which the same database is reached through it. */
export async function proxiedDatabase(url: string): Promise<{ proxy: TcpProxy; url: string }> {
  const target = new URL(url)
  const proxy = await startTcpProxy({ target: { host: target.hostname, port: Number(target.port || 5432) } })
  onTestFinished(() => proxy.close())
  target.host = `${proxy.host}:${proxy.port}`
  return { proxy, url: target.href }
}
